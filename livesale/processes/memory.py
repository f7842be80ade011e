"""Memory that stays: the garbage collector need not look through it again and again."""

import asyncio
import gc

WARM_S = 60.0  # by then a worker has made what it keeps: connections, caches, compiled statements


def settle_memory() -> None:
    """Take what there is now out of the collector's sight, and once more after WARM_S.

    A full collection that looks through all modules stops a worker for 80 ms. What is in sight is
    collected first, but not the second time: requests would wait for it.
    """
    gc.collect()
    gc.freeze()
    asyncio.get_running_loop().call_later(WARM_S, gc.freeze)
