"""Sealed drops: compares the seals with the books, or (full) with every row that they cover."""

from typing import Any

from sqlalchemy import Select, Table, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.ledger.check import SHOWN, Check, verdict
from livesale.ledger.instant import Instant
from livesale.ledger.progress import Progress
from livesale.ledger.seals import differences, read_seals, stored_seals
from livesale.ledger.tables import books, drops, seals
from livesale.printing.wording import counted
from stock.model import DropState

SEAL = ("seal", "finished drops have not changed since they were sealed")

_AT_ONCE = 100  # drops in one query for rows


async def check_seals(connection: AsyncConnection, instant: Instant) -> Check:
    """Each seal matches its books and its drop; in a full audit, also every row of the drop.

    Otherwise it reads no rows of old orders, and the detail says so.
    """
    count, bought, agree = await _add_up(connection)
    broken: list[str] = []
    if not agree or connection.dialect.name == "sqlite":
        broken = await _misfits(connection)
    if not agree and not broken:
        broken = ["seals, books of sealed drops and archived drops differ in number"]
    instant.progress.count(count)
    if instant.full:
        broken += await _altered(connection, instant.progress)
    sealed = f"sealed: {counted(count, 'drop')} with {counted(bought, 'order')}"
    if not count:
        return verdict(*SEAL, broken, "sealed: no drops yet")
    how = (
        "each against its rows"
        if instant.full
        else "each against its books; `livesale audit --full` reads their rows"
    )
    return verdict(*SEAL, broken, f"{sealed}, {how}")


async def _add_up(connection: AsyncConnection) -> tuple[int, int, bool]:
    """The number of sealed drops and their orders; and whether seals, books and drops agree.

    It reads each table separately, because a join of ten thousand rows took six times as long. It
    compares sums and checksums over the same columns; if they differ, it compares the rows one by
    one.
    """
    seal, own, drop = seals.c, books.c, drops.c
    exact = connection.dialect.name != "sqlite"  # it has no checksum, and no network
    sealed = select(func.count(), *_sums(books, exact)).where(
        own.sealed_ms.is_not(None), own.held == 0
    )
    stored = select(func.count(), *_sums(seals, exact), func.sum(seal.orders))
    stale = stored.join(books, own.drop_id == seal.drop_id).where(own.sealed_ms.is_(None))
    over = select(func.count()).where(drop.archived_ms.is_not(None), drop.state == DropState.CLOSED)
    unsealed = over.select_from(books.join(drops, drop.drop_id == own.drop_id)).where(
        own.sealed_ms.is_(None)
    )
    here = await _numbers(connection, sealed)
    there = await _numbers(connection, stored)
    gone = await _numbers(connection, stale)
    there = [one - other for one, other in zip(there, gone, strict=True)]
    archived = (await _numbers(connection, over))[0] - (await _numbers(connection, unsealed))[0]
    return here[0], there[-1], here == there[:-1] and archived == here[0]


def _sums(table: Table, checksum: bool) -> list[Any]:
    columns = [table.c[name] for name in ("allotted", "available", "sold", "burned", "sealed_ms")]
    text = func.concat_ws("|", table.c.drop_id, *columns)
    return [func.sum(func.crc32(text))] * checksum + [func.sum(column) for column in columns]


async def _numbers(connection: AsyncConnection, query: Select[Any]) -> list[int]:
    return [int(value or 0) for value in (await connection.execute(query)).one()]


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
        f"{drop_id}: its seal does not match its books and its drop"
        for drop_id in await connection.scalars(wrong)
    ]
    return found + [
        f"{drop_id} is sealed and has no books" for drop_id in await connection.scalars(lost)
    ]


async def _altered(connection: AsyncConnection, progress: Progress) -> list[str]:
    """Compare every seal with the rows that it covers, a page of drops at a time."""
    broken: list[str] = []
    after = ""
    while stored := await stored_seals(connection, after, _AT_ONCE):
        after = stored[-1].drop_id
        found = await read_seals(connection, [seal.drop_id for seal in stored])
        for seal in stored:
            now = found.get(seal.drop_id)
            what = differences(seal, now) if now else ["its drop or its books are gone"]
            broken += [f"{seal.drop_id}: {text}" for text in what]
        progress.advance(len(stored))
    return broken
