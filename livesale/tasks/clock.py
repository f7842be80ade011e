"""An estimate of Redis's clock in this process.

Redis's TIME is read every second and stored as an offset to the monotonic clock, corrected by half
of the round trip. It is only for display: Redis itself decides what opens and expires (I11).
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from livesale.tasks import Tasks
from stock.engine import Engine
from stock.errors import StockError

EVERY_S = 1.0
MAX_STEP_BACK_MS = 1_000
MAX_ROUND_TRIP_S = 1.0  # a slower answer is too inexact

log = structlog.get_logger()


class Clock:
    """Before Redis's first answer it is this machine's time.

    If Redis's clock goes back by up to MAX_STEP_BACK_MS, the error of a reading, `now_ms()`
    stands still until it catches up. The next reading follows a larger step.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._offset_ms = time.time() * 1000 - time.monotonic() * 1000
        self._last_ms = 0
        self.known = False  # whether Redis has answered: signatures need its time, not a guess

    def now_ms(self) -> int:
        """Redis's time, in ms since 1970 UTC."""
        now_ms = int(time.monotonic() * 1000 + self._offset_ms)
        if now_ms > self._last_ms or now_ms < self._last_ms - MAX_STEP_BACK_MS:
            self._last_ms = now_ms
        return self._last_ms

    async def read(self) -> None:
        """Ask Redis once. Raises StockError."""
        before = time.monotonic()
        server_ms = await self._engine.now_ms()
        after = time.monotonic()
        if after - before <= MAX_ROUND_TRIP_S:
            # TIME is cut to whole ms, so on average half a ms is missing.
            self._offset_ms = server_ms + 0.5 - (before + after) * 500
            self.known = True

    async def _follow(self) -> float:
        """Read the clock; returns the seconds until the next reading. Without Redis, the last
        offset stays."""
        await self.read()
        return EVERY_S

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Read once, then follow until the end of the block."""
        try:
            await self.read()
        except StockError as fault:
            log.warning("no time from Redis yet: using this machine's clock", fault=str(fault))
        async with Tasks() as tasks:
            tasks.repeat("clock", self._follow, after_s=EVERY_S, longest_s=EVERY_S)
            yield
