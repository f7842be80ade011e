"""What SQL must hold by the log, and what it holds, in one form that can be compared."""

from collections.abc import Container
from typing import Any

from sqlalchemy import func, select

from livesale.database import engine as database
from livesale.ledger import tables
from livesale.ledger.tail import connect_reader
from livesale.resources import Deployment
from stock.books import Books
from stock.entries import decode
from stock.fold import Fold
from stock.ids import START
from stock.log import LogReader
from tests.livesale.stage import read_sql


async def fold_of(stage: Deployment, without: Container[str] = ()) -> Fold:
    """The whole log added up: what SQL must hold. `without` are ids of entries that are false."""
    fold = Fold()
    reader = connect_reader(stage.redis_url, 5.0)
    for partition in range(stage.keyspace.partitions):
        log = LogReader(reader, stage.keyspace.log(partition))
        for entry_id, fields in await log.between(START, "+"):
            if entry_id not in without:
                fold.apply(decode(entry_id, fields))
    await reader.aclose()
    return fold


def expected(fold: Fold) -> dict[str, Any]:
    return {
        "books": sorted(
            (drop_id, b.allotted, b.available, b.held, b.sold, b.burned)
            for drop_id, b in fold.books.items()
        ),
        "orders": sorted(
            (r.rid, r.buyer_id, r.quantity, r.amount_fen, r.state.value, r.expires_ms)
            for r in fold.reservations.values()
        ),
        "paid": sorted((r.rid, r.paid_by) for r in fold.reservations.values() if r.paid_by),
        "due": sorted((p, r.rid) for r in fold.reservations.values() for p in r.refunds),
        "drops": sorted((drop_id, state.value) for drop_id, state in fold.states.items()),
    }


async def found(stage: Deployment) -> dict[str, Any]:
    rows = await read_sql(stage)
    return {
        "books": rows["books"],
        "orders": [(o[0], o[2], o[3], o[5], o[6], o[7]) for o in rows["orders"]],
        "paid": sorted((p[1], p[0]) for p in rows["payments"] if p[3] != "refund_due"),
        "due": sorted((r[1], r[2]) for r in rows["refunds"]),
        "drops": rows["drops"],
    }


async def ledger_sums(stage: Deployment) -> dict[str, Books]:
    moved = tables.stock_ledger.c
    parts = [func.sum(moved[name]) for name in ("available", "held", "sold", "burned")]
    async with database.snapshot(stage.sql) as connection:
        rows = await connection.execute(select(moved.drop_id, *parts).group_by(moved.drop_id))
        return {
            drop_id: Books(int(sum(sums)), *(int(part) for part in sums)) for drop_id, *sums in rows
        }
