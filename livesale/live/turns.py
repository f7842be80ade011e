"""How a worker divides its core between sending to a crowd and all else that it does.

Sending goes in slices, and between two of them the loop does what else is ready. One that is busy
with requests would take an age for a round of slices of one size: so a slice grows to about what
the others took before it, and in the worst case each has half of the core.
"""

import asyncio
import time

LEAST = 100  # listeners in a slice: well under a millisecond
MOST = 500  # three milliseconds: what a request may have to wait for
FLOOR_S = 3e-6  # no kernel sends faster: a slice in which all had everything says nothing


class Turns:
    """Those of one round."""

    def __init__(self) -> None:
        self.size = LEAST
        self._cheapest_s = float("inf")  # what a slice took for a listener, sending included
        self._began_s = time.thread_time()

    async def pause(self) -> None:
        """Behind a slice of `size`: let the others go on, and see how long that took.

        What was written leaves the process then, too: so the slice and the pause are taken as one,
        and the cheapest that was seen is held to be that of sending alone. It is CPU time: nobody
        here is to blame for what other processes take.
        """
        await asyncio.sleep(0)
        now_s = time.thread_time()
        took_s, self._began_s = now_s - self._began_s, now_s
        self._cheapest_s = max(FLOOR_S, min(self._cheapest_s, took_s / self.size))
        others_s = took_s - self.size * self._cheapest_s
        self.size = min(MOST, max(LEAST, int(others_s / self._cheapest_s)))
