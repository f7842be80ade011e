"""`make quiet`: nobody buys for minutes, behind proxies that end idle connections; then all do.

For each ending of an idle connection (closed, reset, forgotten) a whole system of its own runs on a
Valkey and a MariaDB that it reaches through a proxy on TCP. 400 buyers reserve at once over eight
drops, then nobody does for the quiet time, then 400 others do. Exit code 1 when one of them got
anything but 201, or the audit finds a broken promise.
"""

import argparse
import asyncio
import itertools
import sys
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import aiohttp
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from tests.e2e.system import Shop, System
from tests.faults.proxy import Ending, Proxy
from tests.ports import free_port
from tests.servers import MariaDB, Valkey

BUYERS = 400
DROPS = 8


class Rush(Struct):
    """What 400 buyers at once were told."""

    answers: Counter[int]
    median_ms: float
    slowest_ms: float


class Outcome(Struct):
    ending: Ending
    redis_ended: int
    sql_ended: int
    before: Rush
    after: Rush
    audit: str

    @property
    def ok(self) -> bool:
        held = Counter({201: BUYERS})
        return self.before.answers == held and self.after.answers == held


async def play(
    ending: Ending, quiet_s: float, limit_s: float, folder: Path, turns: asyncio.Lock
) -> Outcome:
    """One system: a rush, the quiet, a rush; each rush has the machine for itself.

    Raises AssertionError where the system does not come up.
    """
    with ExitStack() as servers:
        valkey, mariadb = Valkey(), MariaDB()
        for server in (valkey, mariadb):
            servers.callback(server.remove)
            server.start()
        redis = Proxy(free_port(), valkey.socket, idle_s=limit_s, ending=ending)
        sql = Proxy(free_port(), mariadb.socket, idle_s=limit_s, ending=ending)
        direct = mariadb.database()
        name = direct.partition("?")[0].rpartition("/")[2]
        system = System(
            folder,
            LIVESALE__REDIS__URL=f"redis://127.0.0.1:{redis.address}",
            LIVESALE__SQL__URL=f"mysql://root@127.0.0.1:{sql.address}/{name}",
        )
        async with AsyncExitStack() as stack:
            for proxy in (redis, sql):
                await proxy.start()
                stack.push_async_callback(proxy.stop)
            async with turns:
                migrating = System(folder, LIVESALE__SQL__URL=direct)
                await asyncio.to_thread(migrating.command, "migrate")
                system.start(workers=1)
                stack.push_async_callback(asyncio.to_thread, system.stop)
                await system.wait_until_ready()
                tokens = await asyncio.to_thread(system.tokens, 2 * BUYERS)
                client = await stack.enter_async_context(aiohttp.ClientSession())
                shop = Shop(system, client)
                drop_ids = [await shop.open_drop(10_000) for _ in range(DROPS)]
                before = await _rush(system, drop_ids, tokens[:BUYERS])
            await asyncio.sleep(quiet_s)
            async with turns:
                after = await _rush(system, drop_ids, tokens[BUYERS:])
                audit = await asyncio.to_thread(system.command, "audit")
        return Outcome(
            ending, redis.ended, sql.ended, before, after, audit.strip().splitlines()[-1].strip()
        )


async def _rush(system: System, drop_ids: list[str], tokens: list[str]) -> Rush:
    """Everybody reserves at once, each by a new connection."""
    answers: Counter[int] = Counter()
    took_ms: list[float] = []
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(connector=connector) as client:

        async def buy(drop_id: str, token: str) -> None:
            url = f"{system.url}/v1/drops/{drop_id}/reservations"
            headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "once"}
            began_s = time.monotonic()
            async with client.post(url, json={"quantity": 1}, headers=headers) as answer:
                await answer.read()
            took_ms.append(1000 * (time.monotonic() - began_s))
            answers[answer.status] += 1

        places = zip(itertools.cycle(drop_ids), tokens, strict=False)
        await asyncio.gather(*(buy(drop_id, token) for drop_id, token in places))
    took_ms.sort()
    return Rush(answers, took_ms[len(took_ms) // 2], took_ms[-1])


def _table(outcomes: list[Outcome]) -> Table:
    table = Table("idle connections are", "ended: Redis, SQL", "answers", "p50", "slowest", "audit")
    for each in outcomes:
        answers = ", ".join(f"{count} × {status}" for status, count in each.after.answers.items())
        table.add_row(
            {"close": "closed", "reset": "reset", "forget": "forgotten"}[each.ending],
            f"{each.redis_ended}, {each.sql_ended}",
            answers,
            f"{each.after.median_ms:.0f} ms",
            f"{each.after.slowest_ms:.0f} ms",
            each.audit,
        )
    return table


async def _run(quiet_s: float, limit_s: float, endings: list[Ending]) -> list[Outcome]:
    """All systems side by side: they have little to do meanwhile."""
    with tempfile.TemporaryDirectory(prefix="livesale-") as folder:
        plays, turns = [], asyncio.Lock()
        for ending in endings:
            home = Path(folder) / ending
            home.mkdir()
            plays.append(play(ending, quiet_s, limit_s, home, turns))
        return list(await asyncio.gather(*plays))


def main() -> int:
    parser = argparse.ArgumentParser(prog="make quiet", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="the quiet time")
    parser.add_argument("--limit", type=float, default=30.0, help="idle seconds that proxies allow")
    parser.add_argument("--only", nargs="*", type=Ending, default=list(Ending))
    options = parser.parse_args()
    outcomes = asyncio.run(_run(60 * options.minutes, options.limit, options.only))
    Console(highlight=False, width=None if sys.stdout.isatty() else 120).print(_table(outcomes))
    return int(not all(outcome.ok for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
