"""`python -m tests.faults.pages`: kills parts of the service during a sale, under phones.

An API worker, Redis, the keeper and SQL die one after the other, each in a sale of its own, while
pages of the built face buy, pay, watch and hear comments. What each page showed, at every change,
is compared with what the service had. Exit code 1 if a page lied.
"""

import argparse
import asyncio
import random
import secrets
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import msgspec
from rich.console import Console

from benchmarks import page as docs
from tests.e2e.system import Shop, System
from tests.faults.pages.scene import Kill, Run, play
from tests.phones import open_browser
from tests.servers import MariaDB
from tests.waiting import until

PARTS = ("api", "redis", "keeper", "sql")
WORKERS = 2


async def run(runs: int, pages: int, seed: int, console: Console) -> list[Run]:
    chance = random.Random(seed)
    mariadb = MariaDB()
    mariadb.start()
    found: list[Run] = []
    with tempfile.TemporaryDirectory(prefix="livesale-pages-") as folder:
        system = System(
            Path(folder),
            LIVESALE__SQL__URL=mariadb.database(),
            LIVESALE__LIVE__HEARTBEAT_MS="600000",
            LIVESALE__HTTP__ACCESS_LOG_SAMPLE="0",
        )
        try:
            await asyncio.to_thread(system.command, "migrate")
            system.start(WORKERS)
            await system.wait_until_ready()
            async with aiohttp.ClientSession() as client, open_browser() as browser:
                shop = Shop(system, client)
                number = 0
                while len(found) < runs:
                    part = PARTS[number % len(PARTS)]
                    kill = _kill_of(part, system, mariadb, number)
                    found += await play(shop, browser, part, kill, pages, chance)
                    number += 1
                    await system.wait_until_ready()
                    console.print(_line(found))
        finally:
            if system.process is not None:
                await asyncio.to_thread(system.stop)
            mariadb.remove()
    return found


def _kill_of(part: str, system: System, mariadb: MariaDB, number: int) -> Kill:
    async def kill() -> None:
        if part == "sql":
            mariadb.kill()
            await asyncio.sleep(1.0)  # away for a while; its start takes another
            mariadb.spawn()
            await until(lambda: asyncio.to_thread(mariadb.answers))
        elif part == "api":
            await system.kill(f"api-{number // len(PARTS) % WORKERS}")
        else:
            await system.kill(part)

    return kill


def _line(found: Sequence[Run]) -> str:
    lies = [f"{one.part}: {lie}" for one in found for lie in one.lies]
    return f"{len(found)} runs, {len(lies)} lies{': ' + lies[-1] if lies else ''}"


def table(found: Sequence[Run], seed: int) -> str:
    rows = []
    for part in PARTS:
        mine = [one for one in found if one.part == part]
        times = sorted(one.right_s for one in mine)
        if mine:
            rows.append(
                f"| {part} | {len(mine)} | {sum(one.held for one in mine)}"
                f" | {sum(one.sold for one in mine)} | {sum(one.sights for one in mine):,}"
                f" | {times[len(times) // 2]:.1f} s | {times[-1]:.1f} s"
                f" | {sum(len(one.lies) for one in mine)} |"
            )
    return "\n".join(
        [
            f"{len(found)} runs, seed {seed}.",
            "",
            "| killed | runs | held | paid | screens | right after, median | at most | lies |",
            "|---|--:|--:|--:|--:|--:|--:|--:|",
            *rows,
        ]
    )


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.pages", description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="a page through a kill is a run")
    parser.add_argument("--pages", type=int, default=5, help="phones beside each other")
    parser.add_argument("--seed", type=int, help="plays the same choices again")
    parser.add_argument("--json", type=Path, help="a file for all runs")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    options = parser.parse_args(words)
    seed = options.seed if options.seed is not None else secrets.randbelow(2**31)
    console = Console(stderr=True, highlight=False)
    found = asyncio.run(run(options.runs, options.pages, seed, console))
    text = table(found, seed)
    print(text)
    for one in found:
        for lie in one.lies:
            print(f"{one.part}: {lie}")
    if options.json:
        options.json.write_bytes(msgspec.json.encode(found))
    if options.write:
        docs.put(docs.DOCS, {}, [("pages", text)])
    return int(any(one.lies for one in found))


if __name__ == "__main__":
    sys.exit(main())
