"""Pauses after faults: growing, with jitter, interrupted by a stop."""

import asyncio
import random

FIRST_S = 0.05
LONGEST_S = 5.0


async def wait_for(stop: asyncio.Event, seconds: float) -> bool:
    """Wait for `stop` at most `seconds`; returns whether it came."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return False
    return True


class Backoff:
    """Doubles from 50 ms to 5 s; half of each pause is random."""

    def __init__(self, first_s: float = FIRST_S, longest_s: float = LONGEST_S) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._faults = 0

    def reset(self) -> None:
        """Call it when it works again."""
        self._faults = 0

    async def wait(self, stop: asyncio.Event) -> None:
        """Wait once more, or until `stop`."""
        # The exponent is bounded: after a night without SQL it would be a huge number.
        bound_s = min(self._longest_s, self._first_s * 2.0 ** min(self._faults, 16))
        self._faults += 1
        await wait_for(stop, bound_s * random.uniform(0.5, 1.0))
