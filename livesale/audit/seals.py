"""Sealed drops: the seals against the books beside them, or (full) against every row they cover."""

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.audit.check import SHOWN, Check, verdict
from livesale.store.seals import differences, read_seals, stored_seals
from livesale.store.tables import books, drops, seals
from livesale.wording import counted
from stock.model import DropState

SEAL = ("seal", "finished drops are as they were when they were sealed")

_AT_ONCE = 100  # drops whose rows are read by one query


async def check_seals(connection: AsyncConnection, full: bool) -> Check:
    """Each seal fits its books and its drop; with `full` also every row of the drop.

    Without `full` no row of an old order is read, and the detail says so.
    """
    seal, own = seals.c, books.c
    query = select(func.count(), func.sum(seal.orders)).join(books, own.drop_id == seal.drop_id)
    count, bought = (await connection.execute(query.where(own.sealed_ms == seal.sealed_ms))).one()
    broken = await _misfits(connection)
    if full:
        broken += await _altered(connection)
    sealed = f"sealed: {counted(count, 'drop')} with {counted(int(bought or 0), 'order')}"
    if not count:
        return verdict(*SEAL, broken, "sealed: no drops yet")
    how = (
        "each against its rows"
        if full
        else "each against its books; `livesale audit --full` reads their rows"
    )
    return verdict(*SEAL, broken, f"{sealed}, {how}")


async def _misfits(connection: AsyncConnection) -> list[str]:
    seal, own, drop = seals.c, books.c, drops.c
    wrong = (
        select(own.drop_id)
        .select_from(
            books.outerjoin(seals, seal.drop_id == own.drop_id).outerjoin(
                drops, drop.drop_id == own.drop_id
            )
        )
        .where(
            own.sealed_ms.is_not(None),
            or_(
                seal.drop_id.is_(None),
                seal.sealed_ms != own.sealed_ms,
                drop.drop_id.is_(None),
                drop.state != DropState.CLOSED,
                drop.archived_ms.is_(None),
                own.held != 0,
                own.allotted != own.available + own.sold + own.burned,
                *[seal[name] != own[name] for name in ("allotted", "available", "sold", "burned")],
            ),
        )
        .order_by(own.drop_id)
        .limit(SHOWN + 1)
    )
    lost = (
        select(seal.drop_id)
        .select_from(seals.outerjoin(books, own.drop_id == seal.drop_id))
        .where(own.drop_id.is_(None))
        .order_by(seal.drop_id)
        .limit(SHOWN + 1)
    )
    found = [
        f"{drop_id}: its seal does not fit its books and its drop"
        for drop_id in await connection.scalars(wrong)
    ]
    return found + [
        f"{drop_id} is sealed and has no books" for drop_id in await connection.scalars(lost)
    ]


async def _altered(connection: AsyncConnection) -> list[str]:
    """Every seal against the rows that it covers, some drops at a time."""
    broken: list[str] = []
    after = ""
    while stored := await stored_seals(connection, after, _AT_ONCE):
        after = stored[-1].drop_id
        found = await read_seals(connection, [seal.drop_id for seal in stored])
        for seal in stored:
            now = found.get(seal.drop_id)
            what = differences(seal, now) if now else ["its drop or its books are gone"]
            broken += [f"{seal.drop_id}: {text}" for text in what]
    return broken
