"""A whole sale behind a line on the real service: 100,000 people, 500 units, over HTTP.

    python -m benchmarks.line_sale [--people 100000] [--units 500] [--hold-s 120] [--workers 2]

`livesale up` runs with API workers, writer and keeper, Valkey that syncs each write, and MariaDB.
Nine of ten people join before the opening, the others after it. Who is called behaves as in
`benchmarks.line_admission`: 40 % never come, the others after 8 s on average; 10 % of those who
reserve never pay. Once the first units are gone, everybody loses the connection and asks again for
their place, on a new connection each. Then the sale goes on until the line says that it is gone.

Exit 1 if anything is not as promised. The load goes to this machine only, for some
ten minutes on two busy cores.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import structlog
import uvloop
from msgspec import Struct
from sqlalchemy import select

from benchmarks.line_admission import FixedActive, Result, play, trace
from benchmarks.line_crowd import Crowd, Seen, Stall
from livesale.database import engine as database
from livesale.ledger.line_tables import line_turns, lines
from livesale.ledger.tables import orders, stock_ledger
from tests.e2e.system import System
from tests.servers import MariaDB

JOINS_PER_S = 1_000  # so many the gathering has time for
SETTINGS = {"LIVESALE__HTTP__ACCESS_LOG_SAMPLE": "0", "LIVESALE__STOCK__PARTITIONS": "1"}


class Written(Struct, frozen=True):
    """What SQL says of the sale. Idle units count from the opening until the last was sold."""

    idle_unit_s: float
    first_empty_s: float
    ended_s: float
    served: int
    orders: int
    sold: int
    late_turns: int  # turns after the end


async def read(sql_url: str, folder: Path, drop_id: str, opens_ms: int) -> Written:
    sql = database.connect(sql_url, folder, 2)
    try:
        async with database.snapshot(sql) as connection:
            row = stock_ledger.c
            query = select(row.at_ms, row.available).where(row.drop_id == drop_id)
            moves = (
                await connection.execute(query.order_by(row.log_ms, row.log_seq, row.row))
            ).all()
            line = (await connection.execute(select(lines).where(lines.c.drop_id == drop_id))).one()
            turns = (
                await connection.scalars(
                    select(line_turns.c.at_ms).where(line_turns.c.drop_id == drop_id)
                )
            ).all()
            states = (
                await connection.scalars(select(orders.c.state).where(orders.c.drop_id == drop_id))
            ).all()
    finally:
        await sql.dispose()
    idle = available = 0
    at_ms, empty_ms = opens_ms, 0
    for moved_ms, delta in moves:
        if moved_ms > opens_ms:
            idle += available * (moved_ms - at_ms)
            at_ms = moved_ms
        available += delta
        if not available and delta and not empty_ms:
            empty_ms = moved_ms
    return Written(
        idle_unit_s=idle / 1000,
        first_empty_s=(empty_ms - opens_ms) / 1000,
        ended_s=((line.ended_ms or 0) - opens_ms) / 1000,
        served=line.serving,
        orders=len(states),
        sold=states.count("sold"),
        late_turns=sum(turn > (line.ended_ms or 0) for turn in turns),
    )


async def sell(given: argparse.Namespace, mariadb: MariaDB, folder: Path) -> int:
    sql_url = mariadb.database()
    system = System(folder, LIVESALE__SQL__URL=sql_url, **SETTINGS)
    await asyncio.to_thread(system.command, "migrate")
    system.start(given.workers)
    try:
        await system.wait_until_ready()
        hold_ms = int(given.hold_s * 1000)
        people = trace(given.people, given.seed, hold_ms=hold_ms)
        crowd = Crowd(system, people, given.units, hold_ms)
        gather_s = max(5.0, given.people / JOINS_PER_S)
        try:
            seen = await crowd.play(gather_s)
        except Stall as stall:
            print(f"the sale did not end: {stall}")
            return 1
        await crowd.settle()
        written = await read(sql_url, folder, crowd.drop_id, crowd.opens_ms)
        audit = await asyncio.to_thread(system.command, "audit")
    finally:
        await asyncio.to_thread(system.stop)
    sizes = sorted({max(1, given.units // 10), given.units // 4, given.units // 2, given.units})
    fixed = {
        most: play(people, given.units, FixedActive(most), hold_ms=hold_ms)
        for most in sizes
        if most
    }
    show(given, seen, written, fixed)
    print("\n".join(line for line in audit.splitlines() if "I13" in line or "I14" in line))
    wrong = [*seen.wrong, *faults_of(given.units, written)]
    print("\n".join(f"WRONG: {fault}" for fault in wrong) or "everything is as promised")
    return 1 if wrong else 0


def faults_of(units: int, written: Written) -> list[str]:
    wrong = []
    if written.sold != units:
        wrong.append(f"{written.sold} of {units} units are sold")
    if written.late_turns:
        wrong.append(f"{written.late_turns} turns after gone")
    return wrong


def show(given: argparse.Namespace, seen: Seen, written: Written, fixed: dict[int, Result]) -> None:
    print(f"{seen.joined:,} joins, {seen.joins_per_s:,.0f} a second of those who come early")
    print(f"{seen.early:,} came before the opening, {seen.joined - seen.early:,} after it")
    print(f"{seen.checked:,} positions compared with the published order")
    print(
        f"{seen.reconnects:,} reconnects, {seen.reconnects_per_s:,.0f} a second, "
        f"p50 {seen.reconnect_p50_ms:.0f} ms, p99 {seen.reconnect_p99_ms:.0f} ms"
    )
    print(
        f"{written.served:,} called, {seen.came:,} came, {seen.in_vain:,} of them to an empty "
        f"shelf; {written.orders:,} orders, {written.sold:,} of {given.units:,} units sold; "
        f"gone after {written.ended_s:,.0f} s; {seen.refused:,} asked after that: refused"
    )
    print("\n| rule | units idle × s | first sold out after | of it |\n|---|--:|--:|--:|")
    idle = written.idle_unit_s
    print(f"| livesale, measured | {idle:,.0f} | {written.first_empty_s:,.0f} s | |")
    for most, result in fixed.items():
        share = idle / result.idle_unit_s if result.idle_unit_s else 0.0
        print(
            f"| fixed, {most} active | {result.idle_unit_s:,.0f} | {result.sold_out_s:,.0f} s "
            f"| {share:.1%} |"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--units", type=int, default=500)
    parser.add_argument("--hold-s", type=float, default=120.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    mariadb = MariaDB()
    mariadb.start()
    try:
        with tempfile.TemporaryDirectory(prefix="livesale-line-") as folder:
            return uvloop.run(sell(given, mariadb, Path(folder)))
    finally:
        mariadb.remove()


if __name__ == "__main__":
    sys.exit(main())
