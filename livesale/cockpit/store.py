"""Queries of the cockpit: bounded, by an index, no locks."""

from collections.abc import Collection
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.ledger.line_tables import lines
from livesale.ledger.quarantine import QuarantineState
from livesale.ledger.refund_states import FAILED, WAITING
from livesale.ledger.states import DRAFT
from livesale.ledger.tables import books, drops, orders, quarantine, refunds
from livesale.orders.cases.tables import after_sale_cases
from livesale.rooms.ingest.tables import room_streams
from livesale.rooms.tables import rooms

COUNT_MOST = 1_000  # beyond it nobody needs the exact number


class DropRow(Struct, frozen=True):
    """A drop as SQL has it, with its books; `line` is the state of its line, if it has one."""

    drop_id: str
    sku_id: str
    room_id: str | None
    state: str
    opens_ms: int
    closes_ms: int
    allotted: int
    available: int | None
    held: int | None
    sold: int | None
    burned: int | None
    line: str | None = None


class RoomRow(Struct, frozen=True):
    """A room, and the stream that it has or had."""

    room_id: str
    title: str
    state: str
    session: str | None
    seen_ms: int | None
    silent: bool | None


def _live() -> tuple[ColumnElement[bool], ...]:
    """Drops that Redis may have: `drops_by_archive` finds them."""
    return (drops.c.archived_ms.is_(None), drops.c.state != DRAFT)


async def live_drops(
    connection: AsyncConnection, *, before: str, room_id: str = "", limit: int
) -> list[DropRow]:
    """Drops that are not archived, with a smaller id than `before` (or all), the newest first."""
    query = _DROPS
    if before:
        query = query.where(drops.c.drop_id < before)
    if room_id:
        query = query.where(drops.c.room_id == room_id)
    return [DropRow(*row) for row in await connection.execute(query, {"most": limit})]


async def count_live_drops(connection: AsyncConnection) -> int:
    """How many there are, counted up to COUNT_MOST."""
    some = select(drops.c.drop_id).where(*_live()).limit(COUNT_MOST).subquery()
    return await connection.scalar(select(func.count()).select_from(some)) or 0


async def expired_units(connection: AsyncConnection, drop_id: str) -> int:
    """Units of holds that expired: a range of the primary key, for an order's id begins with its
    drop's."""
    query = select(func.coalesce(func.sum(orders.c.quantity), 0)).where(
        orders.c.order_id >= f"{drop_id}-",
        orders.c.order_id < f"{drop_id}.",
        orders.c.state == "expired",
    )
    return int(await connection.scalar(query) or 0)


async def rooms_now(
    connection: AsyncConnection, states: Collection[str], limit: int
) -> list[RoomRow]:
    """Rooms in these states, the newest first."""
    found = await connection.execute(_ROOMS, {"states": list(states), "most": limit})
    return [RoomRow(*row) for row in found]


async def count_work(connection: AsyncConnection) -> dict[str, int]:
    """What waits for a person, by the names of WorkFigures: one statement."""
    row = (await connection.execute(_WORK)).one()
    return {name: int(value) for name, value in zip(_WORK_NAMES, row, strict=True)}


def _count(condition: ColumnElement[bool]) -> Any:
    return select(func.count()).where(condition).scalar_subquery()


def _count_work() -> dict[str, Any]:
    case, refund = after_sale_cases.c, refunds.c
    waiting = refund.state.in_(WAITING)
    since_ms = select(func.coalesce(func.min(refund.created_ms), 0)).where(waiting)
    return {
        "refunds_failed": _count(refund.state == FAILED),
        "refunds_waiting": _count(waiting),
        "refunds_since_ms": since_ms.scalar_subquery(),
        "quarantined": _count(quarantine.c.state == QuarantineState.ASIDE),
        "cases_asked": _count(case.state == "asked"),
    }


# Asked for all evening: SQLAlchemy makes the key of a statement once for each object.
_WORK_NAMES = tuple(_count_work())
_WORK = select(*_count_work().values())
_DROPS = (
    select(
        *(drops.c[name] for name in DropRow.__struct_fields__[:6]),
        func.coalesce(books.c.allotted, drops.c.allotted),
        *(books.c[name] for name in DropRow.__struct_fields__[7:-1]),
        lines.c.state.label("line"),
    )
    .select_from(
        drops.outerjoin(books, books.c.drop_id == drops.c.drop_id).outerjoin(
            lines, lines.c.drop_id == drops.c.drop_id
        )
    )
    .where(*_live())
    .order_by(drops.c.drop_id.desc())
    .limit(bindparam("most"))
)
_ROOMS = (
    select(
        *(rooms.c[name] for name in RoomRow.__struct_fields__[:3]),
        *(room_streams.c[name] for name in RoomRow.__struct_fields__[3:]),
    )
    .select_from(rooms.outerjoin(room_streams, room_streams.c.room_id == rooms.c.room_id))
    .where(rooms.c.state.in_(bindparam("states", expanding=True)))
    .order_by(rooms.c.room_id.desc())
    .limit(bindparam("most"))
)
