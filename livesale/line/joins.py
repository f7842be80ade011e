"""Joins in batches: those of one tick for one drop go out as one call, one call at a time.

A crowd that comes before the opening costs one script call for up to 256 people, and no timer: an
idle line adds no latency.
"""

import asyncio
from collections import deque

from livesale.tasks import errand
from stock.errors import Overloaded
from stock.line.engine import Line
from stock.line.model import JoinOutcome
from stock.model import MAX_BATCH

MAX_WAITING = 10_000  # of one drop


class JoinQueue:
    """One per process."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._waiting: dict[str, deque[tuple[str, asyncio.Future[JoinOutcome]]]] = {}

    async def join(self, drop_id: str, buyer_id: str) -> JoinOutcome:
        """Raises Overloaded, and the faults of stock.errors."""
        queue = self._waiting.get(drop_id)
        if queue is None:
            queue = self._waiting[drop_id] = deque()
            errand("join a line", self._send(drop_id, queue), about=drop_id)
        if len(queue) >= MAX_WAITING:
            raise Overloaded(f"{MAX_WAITING} people are already joining the line of {drop_id}")
        answer: asyncio.Future[JoinOutcome] = asyncio.get_running_loop().create_future()
        queue.append((buyer_id, answer))
        return await answer

    async def _send(
        self, drop_id: str, queue: deque[tuple[str, asyncio.Future[JoinOutcome]]]
    ) -> None:
        while True:
            await asyncio.sleep(0)  # the others of this tick come along
            batch = [queue.popleft() for _ in range(min(MAX_BATCH, len(queue)))]
            if not batch:
                del self._waiting[drop_id]
                return
            try:
                outcomes = await self._line.join(drop_id, [buyer_id for buyer_id, _ in batch])
            except Exception as fault:  # each of them gets it
                for _, answer in batch:
                    if not answer.done():
                        answer.set_exception(fault)
                continue
            for (_, answer), outcome in zip(batch, outcomes, strict=True):
                if not answer.done():  # its client may have gone
                    answer.set_result(outcome)
