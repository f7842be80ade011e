"""Gives units that came back to the engine: once, until it has answered.

The row is written with the decision; its id makes the verb happen once, however often it is
tried. A drop that is closed or has left Redis takes nothing back: its books are final. Such units
come back to the stock of their SKU, if they are not to be burned, and the row says so.
"""

import structlog
from sqlalchemy import select

from livesale.catalogue.stock_moves.shipping import bring_back
from livesale.database.session import session
from livesale.ledger.tables import drops
from livesale.orders.cases import store
from livesale.orders.cases.states import Fate
from livesale.orders.cases.store import TakeBackRow
from livesale.orders.events import KEEPER, add_event, lock_order
from livesale.resources import Deployment
from stock.errors import FencedOff
from stock.ids import drop_of
from stock.model import Fate as EngineFate
from stock.model import TakeBack, TakeBackCode

FIRST_MS = 2_000
LONGEST_MS = 600_000

_FATES = {Fate.STOCK: EngineFate.AVAILABLE, Fate.BURN: EngineFate.BURNED}
_TAKEN = (TakeBackCode.TAKEN, TakeBackCode.REPLAYED)

log = structlog.get_logger(__name__)


class Returns:
    """Any number of keepers may run it. Raises StoreUnavailable and the faults of stock.errors."""

    def __init__(self, deployment: Deployment) -> None:
        self._sql = deployment.sql
        self._engine = deployment.engine

    async def due(self, at_ms: int, limit: int) -> list[TakeBackRow]:
        async with session(self._sql) as connection:
            return await store.due_take_backs(connection, at_ms, limit)

    async def take(self, row: TakeBackRow, at_ms: int) -> str:
        """Take one back: taken_back, outside, or nothing if another keeper did."""
        wait_ms = min(LONGEST_MS, FIRST_MS * 2 ** min(row.tries, 16))
        async with session(self._sql, write=True) as connection:
            claimed = await store.move_take_back(
                connection, row, tries=row.tries + 1, next_ms=at_ms + wait_ms
            )
        if not claimed:
            return ""
        back = TakeBack(
            row.order_id, row.take_id, row.units, _FATES[Fate(row.fate)], row.reason[:200]
        )
        code, _ = await self._engine.take_back(back)
        if code is TakeBackCode.FENCED:
            raise FencedOff(row.order_id)
        if code is TakeBackCode.UNKNOWN_DROP and not await self._is_archived(row.order_id):
            raise FencedOff(row.order_id)  # Redis lost it: after the recovery
        state = store.DONE if code in _TAKEN else store.OUTSIDE
        async with session(self._sql, write=True) as connection:
            await lock_order(connection, row.order_id)
            now = {"state": state, "detail": code.value, "updated_ms": at_ms}
            moved = await store.end_take_back(connection, row.take_id, **now)
            if moved and (state == store.DONE or row.fate == Fate.STOCK):
                await bring_back(
                    connection,
                    ref=row.take_id,
                    order_id=row.order_id,
                    units=row.units,
                    at_ms=at_ms,
                    to_drop=state == store.DONE,
                    actor=KEEPER,
                    note=row.reason,
                )
            if moved:
                await add_event(
                    connection,
                    row.order_id,
                    "units.back" if state == store.DONE else "units.outside",
                    at_ms=at_ms,
                    who=KEEPER,
                    why=f"{row.units} {row.fate}: {code.value}",
                    about=row.take_id,
                    before=store.DUE,
                    after=state,
                )
        if state == store.OUTSIDE and code is not TakeBackCode.CLOSED:
            log.warning("units came back outside of their drop", take_id=row.take_id, code=code)
        return ("taken_back" if state == store.DONE else "outside") if moved else ""

    async def _is_archived(self, order_id: str) -> bool:
        query = select(drops.c.archived_ms).where(drops.c.drop_id == drop_of(order_id))
        async with session(self._sql) as connection:
            return await connection.scalar(query) is not None
