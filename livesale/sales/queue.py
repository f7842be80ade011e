"""The queue of reservations to Redis: in batches, behind the sold-out flag."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from livesale.resources import Deployment
from livesale.sales.metrics import BATCH_QUEUE, BATCH_SIZE, SOLD_OUT_SHORTCUTS
from livesale.tasks import Tasks
from stock.batcher import Batcher
from stock.model import BatchOutcome
from stock.soldout import SoldOut

COUNT_EVERY_S = 1.0


class ReservationQueue:
    """One per worker. `attempts` takes reservations; while `running`, the metrics show them."""

    def __init__(self, deployment: Deployment) -> None:
        stock = deployment.settings.stock
        self.batcher = Batcher(
            deployment.engine, max_queue=stock.max_queue, deadline_s=stock.deadline_ms / 1000
        )
        self.attempts = SoldOut(
            self.batcher, deployment.engine.buyers, sold_out_ms=stock.sold_out_ms
        )
        self._counted = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """At the end, wait for the batcher: aiohttp has ended the handlers by then."""
        self.batcher.listeners.append(_note_batch)
        BATCH_QUEUE.set_function(lambda: self.batcher.queued)
        try:
            async with Tasks() as tasks:
                tasks.repeat("metrics: shortcuts", self._keep_counting)
                yield
        finally:
            await self.batcher.drain()
            self._count()

    async def _keep_counting(self) -> float:
        self._count()
        return COUNT_EVERY_S

    def _count(self) -> None:
        SOLD_OUT_SHORTCUTS.inc(self.attempts.answered - self._counted)
        self._counted = self.attempts.answered


def _note_batch(_drop_id: str, _sent_at: float, answer: BatchOutcome) -> None:
    BATCH_SIZE.observe(len(answer.outcomes))
