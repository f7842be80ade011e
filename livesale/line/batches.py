"""Calls in batches: those of one tick for one drop go out as one call, one call at a time.

A crowd costs one call for up to 256 people, and no timer: an idle line adds no latency.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from livesale.tasks import errand
from stock.errors import Overloaded
from stock.model import MAX_BATCH

MAX_WAITING = 10_000  # of one drop

V = TypeVar("V")


class Batches(Generic[V]):
    """Asks for one buyer; `send` asks for up to 256. One of a kind per process."""

    def __init__(
        self, name: str, send: Callable[[str, Sequence[str]], Awaitable[Sequence[V]]]
    ) -> None:
        self._name = name
        self._send = send
        self._waiting: dict[str, deque[tuple[str, asyncio.Future[V]]]] = {}

    async def ask(self, drop_id: str, buyer_id: str) -> V:
        """Raises Overloaded, and what `send` raises."""
        queue = self._waiting.get(drop_id)
        if queue is None:
            queue = self._waiting[drop_id] = deque()
            errand("line: batch", self._work(drop_id, queue), about=f"{self._name}, {drop_id}")
        if len(queue) >= MAX_WAITING:
            raise Overloaded(f"{MAX_WAITING} people already wait at the line of {drop_id}")
        answer: asyncio.Future[V] = asyncio.get_running_loop().create_future()
        queue.append((buyer_id, answer))
        return await answer

    async def _work(self, drop_id: str, queue: deque[tuple[str, asyncio.Future[V]]]) -> None:
        while True:
            await asyncio.sleep(0)  # the others of this tick come along
            batch = [queue.popleft() for _ in range(min(MAX_BATCH, len(queue)))]
            if not batch:
                del self._waiting[drop_id]
                return
            try:
                outcomes = await self._send(drop_id, [buyer_id for buyer_id, _ in batch])
            except Exception as fault:  # each of them gets it
                for _, answer in batch:
                    if not answer.done():
                        answer.set_exception(fault)
                continue
            for (_, answer), outcome in zip(batch, outcomes, strict=True):
                if not answer.done():  # its client may have gone
                    answer.set_result(outcome)
