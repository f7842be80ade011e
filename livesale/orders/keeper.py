"""What the keeper does for orders in time: receipts that nobody gave, deadlines of cases, units
that came back, and addresses by a new key.

Any number of keepers may run: every step is a compare-and-set.
"""

import asyncio

from prometheus_client import CollectorRegistry

from livesale.database.engine import now_ms
from livesale.database.session import session
from livesale.orders.addresses.resealing import SEALED, SealedTable, reseal_page
from livesale.orders.addresses.sealing import Sealer
from livesale.orders.cases.returns import Returns
from livesale.orders.cases.service import Cases
from livesale.orders.cases.store import due_cases, paid_back_cases
from livesale.orders.events import KEEPER
from livesale.orders.metrics import OrderMetrics
from livesale.orders.shipments import store
from livesale.orders.shipments.service import Shipments
from livesale.orders.shipments.tables import parcels
from livesale.resources import Deployment
from livesale.tasks import Tasks, note_fault
from livesale.tasks.clock_steps import ClockWatch

IDLE_S = 2.0
BUSY_S = 0.05
PAGE = 100
ROTATE_S = 30.0

_PARCELS = SealedTable(parcels, "parcel_id", "parcel", ("parcel_id",))


class OrderKeeper:
    """Call `run`; it ends when `stop` is set."""

    def __init__(self, deployment: Deployment, registry: CollectorRegistry | None = None) -> None:
        self._sql = deployment.sql
        self._clock = ClockWatch(deployment.engine)
        self._sealer = Sealer.from_settings(deployment.settings)
        self._shipments = Shipments(deployment, self._sealer)
        self._cases = Cases(deployment)
        self._returns = Returns(deployment)
        self._metrics = OrderMetrics(registry or CollectorRegistry())

    async def run(self, stop: asyncio.Event) -> None:
        async with Tasks(stop) as tasks:
            tasks.repeat("orders: receipts", self._keep_receiving)
            tasks.repeat("orders: cases", self._keep_deciding)
            tasks.repeat("orders: take backs", self._keep_returning)
            if self._sealer.is_on:
                tasks.repeat("orders: addresses", self._keep_sealing)

    async def receive(self, at_ms: int) -> int:
        """Receive up to a page of parcels that nobody complained about; how many were due."""
        async with session(self._sql) as connection:
            found = await store.due_parcels(connection, at_ms, PAGE)
        for parcel in found:
            try:
                done = await self._shipments.receive_due(parcel, KEEPER, at_ms)
            except Exception as fault:  # the others go on
                self._metrics.faults.inc()
                note_fault("parcel", fault, about=parcel.parcel_id)
                continue
            self._metrics.moved.labels("received").inc(done)
        return len(found)

    async def decide(self, at_ms: int) -> int:
        """Decide cases at their deadline, and note whose money is back; how many were looked at."""
        async with session(self._sql) as connection:
            due = await due_cases(connection, at_ms, PAGE)
            paid = await paid_back_cases(connection, PAGE)
        for what, found, decide in (
            ("decided", due, self._cases.decide_due),
            ("refunded", paid, self._cases.note_paid),
        ):
            for case in found:
                try:
                    done = await decide(case, KEEPER, at_ms)
                except Exception as fault:  # the others go on
                    self._metrics.faults.inc()
                    note_fault("case", fault, about=case.case_id)
                    continue
                self._metrics.moved.labels(what).inc(done)
        return len(due) + len(paid)

    async def take_back(self, at_ms: int) -> int:
        """Take back up to a page of units that came back; how many were due."""
        found = await self._returns.due(at_ms, PAGE)
        for row in found:
            try:
                what = await self._returns.take(row, at_ms)
            except Exception as fault:  # it is due again later; the others go on
                self._metrics.faults.inc()
                note_fault("take back", fault, about=row.take_id)
                continue
            if what:
                self._metrics.moved.labels(what).inc()
        return len(found)

    async def seal(self) -> int:
        """Seal up to a page of each table anew; how many rows."""
        done = 0
        for sealed in (*SEALED, _PARCELS):
            done += await reseal_page(self._sql, self._sealer, sealed)
        self._metrics.moved.labels("resealed").inc(done)
        return done

    async def _keep_receiving(self) -> float:
        look = await self._clock.look()
        if look.doubted:  # an early receipt could not be undone
            return IDLE_S
        try:
            return BUSY_S if await self.receive(look.now_ms) == PAGE else IDLE_S
        except Exception:
            self._metrics.faults.inc()
            raise

    async def _keep_deciding(self) -> float:
        look = await self._clock.look()
        if look.doubted:  # an early decision could not be undone
            return IDLE_S
        try:
            return BUSY_S if await self.decide(look.now_ms) >= PAGE else IDLE_S
        except Exception:
            self._metrics.faults.inc()
            raise

    async def _keep_returning(self) -> float:
        try:
            return BUSY_S if await self.take_back(now_ms()) == PAGE else IDLE_S
        except Exception:
            self._metrics.faults.inc()
            raise

    async def _keep_sealing(self) -> float:
        try:
            return BUSY_S if await self.seal() else ROTATE_S
        except Exception:
            self._metrics.faults.inc()
            raise
