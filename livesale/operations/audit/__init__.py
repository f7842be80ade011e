"""The audit: checks the promises on the running system, while it sells.

`audit()` returns one line per promise. Its comparisons are exact: SQL in one snapshot, Redis in one
atomic step per drop, the log between the two. A check that cannot run counts as broken, with the
reason.

Old drops cost nothing: the audit checks sealed drops (livesale.ledger.seals) by their seals. The
full audit compares each seal with the rows that it covers.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.database.engine import snapshot
from livesale.ledger import books
from livesale.ledger.check import CannotCheck, Check, unmade, verdict
from livesale.ledger.instant import Instant, take_instant
from livesale.ledger.progress import Progress
from livesale.ledger.tail import connect_reader
from livesale.ledger.unread import LogTrimmed, TailTooLong
from livesale.operations.audit import holdings, lines, liveness, orders, reservations, seals, stock
from livesale.printing.wording import counted
from livesale.resources import Deployment
from stock.errors import LogTooNew, StockError

__all__ = ["STEPS", "Check", "audit"]

SNAPSHOTS = 10
STEPS = 14  # I9, the snapshot, and the checks that follow it
LATER_S = 0.2  # before another snapshot, if the log had an entry of a later version
ORDER = (
    *("I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I10", "I11", "I13", "I14"),
    *("seal", "stock", "log"),
)

_NOT_BY_DROP = (stock.STOCK, orders.QUARANTINE, books.I10)
_FAULTS = (RedisError, SQLAlchemyError, StockError, CannotCheck, TailTooLong, OSError, ValueError)


async def audit(
    deployment: Deployment,
    *,
    settle_s: float = 10.0,
    full: bool = False,
    progress: Progress | None = None,
) -> list[Check]:
    """Check I1 to I11, I13 and I14, the seals and the stock of goods, and report the quarantine.

    `settle_s` is the time for the writer to catch up: the first check waits at most that long, the
    others do not need a writer. `full` also reads the rows of sealed drops, and the stock of
    SKUs that have not moved for a day. `progress` is told of each of STEPS steps.
    """
    progress = progress or Progress()
    progress.begin("I9")
    reader = connect_reader(deployment.redis_url, deployment.settings.redis.timeout_ms / 1000)
    try:
        checks = await _guarded(
            [liveness.I9],
            partial(_one, lambda: liveness.check_liveness(deployment, reader, settle_s)),
        )
        progress.found(checks)
        checks += await _guarded(
            [
                *(books.I1, books.I2, books.I3, reservations.I4, orders.I5, reservations.I6),
                *(orders.I7, orders.I8, books.I10, orders.I11, lines.I13, lines.I14),
                *(seals.SEAL, stock.STOCK, orders.QUARANTINE),
            ],
            lambda: _compare(deployment, reader, full, progress),
        )
    finally:
        await reader.aclose()
    return sorted(checks, key=lambda check: ORDER.index(check.invariant))


async def _compare(
    deployment: Deployment, reader: "Redis", full: bool, progress: Progress
) -> list[Check]:
    progress.begin("snapshot")
    too_new: LogTooNew | None = None
    for _ in range(SNAPSHOTS):
        async with snapshot(deployment.sql) as connection:
            try:
                instant = await take_instant(
                    deployment, reader, connection, full=full, progress=progress
                )
            except LogTrimmed:
                continue  # the writer was faster: take a newer snapshot
            except LogTooNew as end:
                too_new = end
                await asyncio.sleep(LATER_S)  # a newer writer may be writing it now
                continue
            return await _checks(deployment, reader, connection, instant)
    if too_new is not None:
        raise CannotCheck(f"{too_new}: audit with the version that writes it")
    raise CannotCheck(f"the log was trimmed {SNAPSHOTS} times while it was read")


async def _checks(
    deployment: Deployment, reader: "Redis", connection: AsyncConnection, instant: Instant
) -> list[Check]:
    checks = [books.check_balance(instant), books.check_sides(instant)]
    instant.progress.found(checks)
    made: list[tuple[tuple[str, str], Callable[[], Awaitable[Check]]]] = [
        (books.I2, lambda: books.check_ledger(connection, instant)),
        (reservations.I6, lambda: reservations.check_orders(connection, instant)),
        (orders.I7, lambda: orders.check_endings(connection, instant)),
        (orders.I8, lambda: orders.check_payments(connection, instant)),
        (orders.I11, lambda: orders.check_opening(connection, instant)),
        (seals.SEAL, lambda: seals.check_seals(connection, instant)),
        (stock.STOCK, lambda: stock.check_stock(connection, instant.full)),
        (orders.QUARANTINE, lambda: orders.report_quarantine(connection)),
        (books.I10, lambda: books.check_places(deployment, reader, instant)),
        (orders.I5, lambda: _check_limits(deployment, reader, connection, instant)),
        (reservations.I4, lambda: reservations.check_reservations(deployment, reader, instant)),
    ]
    for name, make in made:
        instant.progress.begin(name[0], 0 if name in _NOT_BY_DROP else len(instant.drops))
        found = await _guarded([name], partial(_one, make))
        instant.progress.found(found)
        checks += found
    instant.progress.begin(lines.I13[0], len(instant.drops))
    found = await _guarded([lines.I13, lines.I14], lambda: lines.check_lines(connection, instant))
    instant.progress.found(found)
    return checks + found


async def _check_limits(
    deployment: Deployment, reader: "Redis", connection: AsyncConnection, instant: Instant
) -> Check:
    broken = await orders.over_the_limit(connection, instant)
    broken += await holdings.over_the_limit_in_redis(deployment, reader, instant)
    buyers = sum(view.snapshot.buyers for view in instant.drops.values() if view.snapshot)
    return verdict(
        *orders.I5, broken, f"{counted(buyers, 'buyer')}, in SQL and in Redis{instant.besides}"
    )


async def _one(make: Callable[[], Awaitable[Check]]) -> list[Check]:
    return [await make()]


async def _guarded(
    names: list[tuple[str, str]], make: Callable[[], Awaitable[list[Check]]]
) -> list[Check]:
    try:
        return await make()
    except _FAULTS as fault:
        return unmade(names, fault)
