"""The queries of lines that are not the writer's."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import and_, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.ledger.line_plan import DRAFT
from livesale.ledger.line_tables import line_turns, lines
from livesale.ledger.tables import books, drops, orders
from stock.line.model import LineMode, LineState, LineTerms
from stock.model import DropState

LIVE = (DRAFT, LineState.GATHERING.value, LineState.OPEN.value)
_REVIVABLE = (
    lines.c.state == LineState.GONE.value,
    drops.c.state.in_((DropState.OPEN.value, DropState.PAUSED.value)),
    books.c.available > 0,
)


class LineRow(Struct, frozen=True):
    """A line as SQL has it. `seed` is secret until the line is open, `salt` for ever."""

    drop_id: str
    state: str
    terms: LineTerms
    seed: str
    salt: str = ""
    list_hash: str = ""  # of a draw that is drawn
    early: int = 0
    entries: int = 0  # in the list of a draw that is drawn
    account_age_s: int = 0


class DueLine(Struct, frozen=True):
    """A line that the keeper works for, with what it needs of the drop."""

    line: LineRow
    drop_state: str
    opens_ms: int
    closes_ms: int
    buyer_limit: int


async def find_line(connection: AsyncConnection, drop_id: str) -> LineRow | None:
    found = await connection.execute(_LINE.where(lines.c.drop_id == drop_id))
    row = found.first()
    return _line(row) if row else None


async def list_lines(
    connection: AsyncConnection, *, campaign_id: str, drop_id: str, limit: int
) -> list[LineRow]:
    """The lines of a campaign or of a drop, the newest first."""
    query = _LINE.join(drops, drops.c.drop_id == lines.c.drop_id)
    if campaign_id:
        query = query.where(drops.c.campaign_id == campaign_id)
    if drop_id:
        query = query.where(lines.c.drop_id == drop_id)
    rows = await connection.execute(query.order_by(lines.c.drop_id.desc()).limit(limit))
    return [_line(row) for row in rows]


async def add_draft(connection: AsyncConnection, new: LineRow, at_ms: int) -> None:
    row = {
        "drop_id": new.drop_id,
        "state": DRAFT,
        "seed": new.seed,
        "salt": new.salt,
        "created_ms": at_ms,
        "account_age_s": new.account_age_s,
        **_terms(new.terms),
    }
    await connection.execute(insert(lines), [row])


async def change_draft(
    connection: AsyncConnection, drop_id: str, terms: LineTerms, account_age_s: int
) -> bool:
    """Whether it was a draft still."""
    done = await connection.execute(
        update(lines)
        .where(lines.c.drop_id == drop_id, lines.c.state == DRAFT)
        .values(account_age_s=account_age_s, **_terms(terms))
    )
    return done.rowcount == 1


async def remove_draft(connection: AsyncConnection, drop_id: str) -> bool:
    """Whether it was a draft still."""
    done = await connection.execute(
        delete(lines).where(lines.c.drop_id == drop_id, lines.c.state == DRAFT)
    )
    return done.rowcount == 1


async def void_draft(connection: AsyncConnection, drop_id: str, at_ms: int) -> None:
    """The sale began or ended before the line could open: the log never has this line."""
    await connection.execute(
        update(lines)
        .where(lines.c.drop_id == drop_id, lines.c.state == DRAFT)
        .values(state=LineState.VOID.value, ended_ms=at_ms)
    )


async def due_lines(connection: AsyncConnection, limit: int) -> list[DueLine]:
    """Lines that have not ended, or may go on because units came back; those that open first at
    the front."""
    drop = drops.c
    query = (
        _LINE.add_columns(drop.state, drop.opens_ms, drop.closes_ms, drop.buyer_limit)
        .join(drops, drop.drop_id == lines.c.drop_id)
        .outerjoin(books, books.c.drop_id == lines.c.drop_id)
        .where(or_(lines.c.state.in_(LIVE), and_(*_REVIVABLE)))
        .order_by(drop.opens_ms)
        .limit(limit)
    )
    return [DueLine(_line(row), *tuple(row)[-4:]) for row in await connection.execute(query)]


async def purchases_of(connection: AsyncConnection, drop_id: str) -> Sequence[tuple[str, int, int]]:
    """Buyer, units and time of each order of a drop that somebody made, by their ids."""
    row = orders.c
    query = select(row.buyer_id, row.quantity, row.created_ms).where(
        row.order_id > f"{drop_id}-", row.order_id < f"{drop_id}.", row.price_fen > 0
    )
    return [(buyer, units, at_ms) for buyer, units, at_ms in await connection.execute(query)]


async def count_held(connection: AsyncConnection, drop_id: str) -> dict[str, int]:
    """The units that a line has held for people, by the state of their orders.

    An order of the line has the time of the turn that it was made with: one entry of the log has
    both. An order's id begins with its drop's, so a range of the primary key finds them.
    """
    row, turn = orders.c, line_turns.c
    times = select(turn.at_ms).where(turn.drop_id == drop_id)
    query = (
        select(row.state, func.count())
        .where(row.order_id > f"{drop_id}-", row.order_id < f"{drop_id}.")
        .where(row.price_fen > 0, row.created_ms.in_(times))
        .group_by(row.state)
    )
    return {state: int(count) for state, count in await connection.execute(query)}


_LINE = select(
    lines.c.drop_id,
    lines.c.state.label("line_state"),
    lines.c.commitment,
    lines.c.turn_ms,
    lines.c.rate,
    lines.c.capacity,
    lines.c.seed,
    lines.c.mode,
    lines.c.salt,
    lines.c.list_hash,
    lines.c.early,
    lines.c.entries,
    lines.c.account_age_s,
)


def _line(row: Any) -> LineRow:
    numbers = row.turn_ms, row.rate, row.capacity
    terms = LineTerms(row.commitment, *numbers, LineMode(row.mode))
    return LineRow(
        *(row.drop_id, row.line_state, terms, row.seed, row.salt, row.list_hash),
        *(row.early or 0, row.entries, row.account_age_s),
    )


def _terms(terms: LineTerms) -> dict[str, Any]:
    return {
        "commitment": terms.commitment,
        "turn_ms": terms.turn_ms,
        "rate": terms.rate,
        "capacity": terms.capacity,
        "mode": terms.mode.value,
    }
