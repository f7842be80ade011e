"""Reads what the system says in the end: every table, and the counters of each drop in Redis."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Table, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.database.engine import snapshot, transaction
from livesale.ledger import tables
from tests.faults.history import (
    Movement,
    OrderState,
    Outcome,
    PaymentState,
    RefundState,
)
from tests.faults.system import FaultySystem

COUNTERS = ("allotted", "available", "held", "sold", "burned")


async def read_outcome(system: FaultySystem, drop_ids: Iterable[str]) -> Outcome:
    """The whole outcome. Nothing may be moving any more."""
    outcome = Outcome()
    async with snapshot(system.sql) as connection:
        for row in await _read(connection, tables.orders, OrderState.__struct_fields__):
            order = OrderState(*row)
            outcome.orders[order.order_id] = order
        ledger = tables.stock_ledger.c
        in_order = (ledger["partition"], ledger.log_ms, ledger.log_seq, ledger.row)
        moves = await _read(connection, tables.stock_ledger, Movement.__struct_fields__, in_order)
        outcome.ledger = [Movement(*row) for row in moves]
        found = await _read(connection, tables.payments, PaymentState.__struct_fields__)
        outcome.payments = [PaymentState(*row) for row in found]
        found = await _read(connection, tables.refunds, RefundState.__struct_fields__)
        outcome.refunds = [RefundState(*row) for row in found]
    for drop_id in drop_ids:
        key = system.keyspace.of_drop(drop_id).drop
        counters = await system.redis.hmget(key, list(COUNTERS))
        if None not in counters:
            allotted, available, held, sold, burned = (int(str(text)) for text in counters)
            outcome.redis[drop_id] = (allotted, available, held, sold, burned)
    return outcome


async def clear_quarantine(system: FaultySystem, poisoned: set[tuple[int, str]]) -> list[str]:
    """Take our poison out of the quarantine, as an operator who has looked at it would; what else
    is there, and what of ours is not."""
    columns = tables.quarantine.c
    async with transaction(system.sql) as connection:
        query = select(columns["partition"], columns.log_id, columns.reason)
        rows = (await connection.execute(query)).all()
        found = {(int(row[0]), str(row[1])): str(row[2]) for row in rows}
        for partition, log_id in poisoned & found.keys():
            await connection.execute(
                delete(tables.quarantine).where(
                    columns["partition"] == partition, columns.log_id == log_id
                )
            )
    wrong = [f"{place} was put aside: {found[place]}" for place in found.keys() - poisoned]
    return wrong + [f"the poison at {place} was not put aside" for place in poisoned - found.keys()]


async def _read(
    connection: AsyncConnection, table: Table, names: Iterable[str], order: Iterable[Any] = ()
) -> list[Any]:
    query = select(*(table.c[name] for name in names)).order_by(*order)
    return list((await connection.execute(query)).all())
