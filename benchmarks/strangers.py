"""How one address that reads public lists slows buyers down: `python -m benchmarks.strangers`.

One API worker on an embedded Valkey and SQLite, a room with 60 lucky bags. Buyers read their
orders, first alone, then while 40 connections of one other address read the bags, the shelf and
the marks of the room without pause.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import aiohttp
from sqlalchemy import insert

from benchmarks.operator import Operator
from livesale.database import engine as database
from livesale.rooms.bags import tables as bags_tables
from livesale.settings import load_settings
from livesale.tokens.signing import TokenSigner
from stock.ids import new_id
from tests.ports import free_port

BAGS, WINNERS, CONNECTIONS = 60, 20, 40
LISTS = ("bags?limit=50", "items", "marks")
BUYERS = 8
ALONE_S, TOGETHER_S = 5.0, 15.0
STRANGER = {"X-Forwarded-For": "203.0.113.7"}


def add_bags(folder: Path, room_id: str) -> None:
    """Add bags that were drawn long ago, with the rows that the service would write."""
    bag = {"room_id": room_id, "title": "Luck", "state": "settled", "coupon": "20 off"}
    times: dict[str, Any] = dict.fromkeys(("stay_ms", "claim_ms", "draws_ms", "created_ms"), 1)
    seeds = {"seed": "ab" * 32, "salt": "cd" * 32, "commitment": "ef" * 32, "list_hash": "01" * 32}
    drawn = {"places": WINNERS, "entries": WINNERS, "drawn_ms": 1, **times, **seeds, **bag}
    ids = [f"{number:03d}{new_id()[3:]}" for number in range(BAGS)]
    places = range(1, WINNERS + 1)

    async def write() -> None:
        sql = database.connect("embedded", folder)
        async with database.transaction(sql) as connection:
            rows = [{**drawn, "bag_id": bag_id} for bag_id in ids]
            await connection.execute(insert(bags_tables.bags), rows)
            prizes = [
                {"bag_id": bag_id, "place": place, "entry_id": f"{place:020d}"}
                | {"buyer_id": f"buyer-{place}", "state": "given"}
                for bag_id in ids
                for place in places
            ]
            await connection.execute(insert(bags_tables.bag_prizes), prizes)
        await sql.dispose()

    asyncio.run(write())


async def read_orders(url: str, seconds: float) -> list[float]:
    """Latency of each read of orders, in ms."""
    signer = TokenSigner.from_settings(load_settings())
    took: list[float] = []
    until_s = time.monotonic() + seconds

    async def buyer(session: aiohttp.ClientSession, number: int) -> None:
        headers = {"Authorization": f"Bearer {signer.buyer(f'buyer-{number}')}"}
        headers["X-Forwarded-For"] = f"198.51.100.{number}"
        while time.monotonic() < until_s:
            began_s = time.monotonic()
            async with session.get(f"{url}/v1/orders", headers=headers) as answer:
                await answer.read()
                answer.raise_for_status()
            took.append((time.monotonic() - began_s) * 1000)
            await asyncio.sleep(0.1)  # stay below the limit of one buyer

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(buyer(session, number) for number in range(BUYERS)))
    return took


async def hammer(url: str, room_id: str, seconds: float) -> Counter[int]:
    answers: Counter[int] = Counter()
    until_s = time.monotonic() + seconds

    async def ask(session: aiohttp.ClientSession, which: str) -> None:
        while time.monotonic() < until_s:
            target = f"{url}/v1/rooms/{room_id}/{which}"
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(target, headers=STRANGER) as answer:
                    await answer.read()
                    answers[answer.status] += 1

    line = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=line) as session:
        await asyncio.gather(
            *(ask(session, LISTS[number % len(LISTS)]) for number in range(CONNECTIONS))
        )
    return answers


async def measure(url: str, room_id: str) -> None:
    alone = await read_orders(url, ALONE_S)
    arguments = [sys.executable, "-m", "benchmarks.strangers", "--hammer", url, room_id]
    other = await asyncio.create_subprocess_exec(*arguments, stdout=subprocess.PIPE)
    await asyncio.sleep(1)
    together = await read_orders(url, TOGETHER_S - 2)
    out, _ = await other.communicate()
    for name, took in (("alone", alone), ("with the stranger", together)):
        p99 = quantiles(took, n=100)[98]
        print(f"/v1/orders {name}: p50 {median(took):.1f} ms, p99 {p99:.1f} ms, {len(took)} reads")
    print("the stranger's answers:", out.decode().strip())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.strangers", description=__doc__)
    parser.add_argument("--hammer", nargs=2, metavar=("URL", "ROOM"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.hammer:
        url, room_id = options.hammer
        answers = asyncio.run(hammer(url, room_id, TOGETHER_S))
        print(", ".join(f"{count} × {status}" for status, count in sorted(answers.items())))
        return
    with tempfile.TemporaryDirectory(prefix="livesale-") as folder:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        flags = ["--port", str(port), "--workers", "1", "--data-dir", folder]
        env = os.environ | {"LIVESALE__LOG__LEVEL": "error"}
        service = subprocess.Popen(  # noqa: S603  ours
            [sys.executable, "-m", "livesale", "up", "--no-seed", *flags],
            env=env,
            stdout=subprocess.DEVNULL,
        )
        try:
            asyncio.run(until_ready(url))
            room_id = Operator(url, load_settings()).open_room()
            add_bags(Path(folder), room_id)
            asyncio.run(measure(url, room_id))
        finally:
            service.send_signal(signal.SIGTERM)
            service.wait(60)


async def until_ready(url: str) -> None:
    async with asyncio.timeout(120), aiohttp.ClientSession() as session:
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(f"{url}/readyz") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.1)


if __name__ == "__main__":
    main()
