"""Queries of after-sale cases and of what is to come back."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.database.keyset import older
from livesale.ledger.refund_states import REFUNDED
from livesale.ledger.tables import refunds
from livesale.orders.cases.states import COUNTED, ENDED, CaseState
from livesale.orders.cases.tables import after_sale_cases as cases
from livesale.orders.cases.tables import take_backs

DUE, DONE, OUTSIDE = "due", "done", "outside"  # states of what is to come back


class Case(Struct, frozen=True):
    case_id: str
    order_id: str
    buyer_id: str
    kind: str
    state: str
    units: int
    amount_fen: int
    reason: str
    evidence: str
    answer: str
    carrier: str
    number: str
    fate: str
    refund_no: str
    open_order: str | None
    due_ms: int
    created_ms: int
    updated_ms: int


class TakeBackRow(Struct, frozen=True):
    take_id: str
    order_id: str
    units: int
    fate: str
    reason: str
    state: str
    tries: int
    next_ms: int
    detail: str
    created_ms: int
    updated_ms: int


_CASE = select(*[cases.c[name] for name in Case.__struct_fields__])
_TAKE = select(*[take_backs.c[name] for name in TakeBackRow.__struct_fields__])


async def find_case(connection: AsyncConnection, case_id: str) -> Case | None:
    row = (await connection.execute(_CASE.where(cases.c.case_id == case_id))).first()
    return Case(*row) if row else None


async def cases_of(connection: AsyncConnection, order_ids: Sequence[str]) -> list[Case]:
    """The cases of up to 500 orders, the oldest first."""
    query = _CASE.where(cases.c.order_id.in_(order_ids))
    query = query.order_by(cases.c.created_ms, cases.c.case_id)
    return [Case(*row) for row in await connection.execute(query)]


async def list_cases(
    connection: AsyncConnection, state: str | None, *, before: tuple[int, str] | None, limit: int
) -> list[Case]:
    """Cases older than the key (created_ms, case_id), the newest first."""
    query = _CASE.order_by(cases.c.created_ms.desc(), cases.c.case_id.desc()).limit(limit)
    if state is not None:
        query = query.where(cases.c.state == state)
    if before is not None:
        query = query.where(older(cases.c.created_ms, cases.c.case_id, before))
    return [Case(*row) for row in await connection.execute(query)]


async def counted_of(connection: AsyncConnection, order_id: str) -> int:
    """The units that open and successful cases of an order ask for."""
    query = select(func.sum(cases.c.units)).where(
        cases.c.order_id == order_id, cases.c.state.in_(COUNTED)
    )
    return int(await connection.scalar(query) or 0)


async def add_case(connection: AsyncConnection, new: Case) -> None:
    """Raises IntegrityError if the order has an open case."""
    row = {name: getattr(new, name) for name in Case.__struct_fields__}
    await connection.execute(insert(cases), row)


async def move_case(connection: AsyncConnection, found: Case, **values: Any) -> bool:
    """Change a case by compare-and-set on its state; a case that ends is no longer open."""
    if values.get("state") in ENDED:
        values |= {"open_order": None, "due_ms": 0}
    done = await connection.execute(
        update(cases)
        .where(cases.c.case_id == found.case_id, cases.c.state == found.state)
        .values(values)
    )
    return done.rowcount == 1


async def due_cases(connection: AsyncConnection, at_ms: int, limit: int) -> list[Case]:
    """Open cases whose deadline has passed, the longest waiting first."""
    query = (
        _CASE.where(
            cases.c.state.in_((CaseState.ASKED, CaseState.AGREED)),
            cases.c.due_ms > 0,
            cases.c.due_ms <= at_ms,
        )
        .order_by(cases.c.due_ms)
        .limit(limit)
    )
    return [Case(*row) for row in await connection.execute(query)]


async def paid_back_cases(connection: AsyncConnection, limit: int) -> list[Case]:
    """Cases whose refund has reached the buyer."""
    query = (
        _CASE.join(refunds, refunds.c.refund_no == cases.c.refund_no)
        .where(
            cases.c.state.in_((CaseState.AGREED, CaseState.RETURNED)),
            cases.c.refund_no != "",
            refunds.c.state == REFUNDED,
        )
        .limit(limit)
    )
    return [Case(*row) for row in await connection.execute(query)]


async def add_take_back(connection: AsyncConnection, new: TakeBackRow) -> None:
    row = {name: getattr(new, name) for name in TakeBackRow.__struct_fields__}
    await connection.execute(insert(take_backs), row)


async def due_take_backs(connection: AsyncConnection, at_ms: int, limit: int) -> list[TakeBackRow]:
    query = _TAKE.where(take_backs.c.state == DUE, take_backs.c.next_ms <= at_ms)
    query = query.order_by(take_backs.c.next_ms).limit(limit)
    return [TakeBackRow(*row) for row in await connection.execute(query)]


async def take_backs_of(
    connection: AsyncConnection, order_ids: Sequence[str]
) -> dict[str, TakeBackRow]:
    rows = await connection.execute(_TAKE.where(take_backs.c.order_id.in_(order_ids)))
    return {row.take_id: TakeBackRow(*row) for row in rows}


async def move_take_back(connection: AsyncConnection, found: TakeBackRow, **values: Any) -> bool:
    """Change it by compare-and-set on its state and tries."""
    done = await connection.execute(
        update(take_backs)
        .where(
            take_backs.c.take_id == found.take_id,
            take_backs.c.state == found.state,
            take_backs.c.tries == found.tries,
        )
        .values(values)
    )
    return done.rowcount == 1


async def end_take_back(connection: AsyncConnection, take_id: str, **values: Any) -> bool:
    """Note its end; False if another keeper did."""
    done = await connection.execute(
        update(take_backs)
        .where(take_backs.c.take_id == take_id, take_backs.c.state == DUE)
        .values(values)
    )
    return done.rowcount == 1
