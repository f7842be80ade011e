"""What the keeper does for orders in time: receipts that nobody gave, and addresses by a new key.

Any number of keepers may run: every step is a compare-and-set.
"""

import asyncio

from prometheus_client import CollectorRegistry

from livesale.database.session import session
from livesale.orders.addresses.resealing import SEALED, SealedTable, reseal_page
from livesale.orders.addresses.sealing import Sealer
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
        self._metrics = OrderMetrics(registry or CollectorRegistry())

    async def run(self, stop: asyncio.Event) -> None:
        async with Tasks(stop) as tasks:
            tasks.repeat("orders: receipts", self._keep_receiving)
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

    async def _keep_sealing(self) -> float:
        try:
            return BUSY_S if await self.seal() else ROTATE_S
        except Exception:
            self._metrics.faults.inc()
            raise
