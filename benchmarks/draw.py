"""How long the draw of a large lucky bag takes: `python -m benchmarks.draw --entries 50000`.

A bag on an embedded Valkey and SQLite, or on the database of `--sql`, with entries from the whole
countdown. The keeper of bags runs as in production. It prints how late the bag was drawn and
announced, and the cost of reading its record.
"""

import argparse
import asyncio
import gzip
import tempfile
import time
from pathlib import Path

from livesale.app import make_parts
from livesale.database.session import session
from livesale.deployment.opening import open_deployment
from livesale.resources import Deployment
from livesale.rooms.bags import store
from livesale.rooms.bags.keeper import BagKeeper
from livesale.rooms.bags.service import Bags, NewBag
from livesale.rooms.keys import RoomKeys
from livesale.rooms.lifecycle import RoomLifecycle
from livesale.rooms.service import NewRoom, Rooms
from livesale.rooms.states import Verb
from livesale.settings import load_settings
from livesale.tasks import Tasks
from livesale.telemetry import logs

PAGE = 1_000


async def enter(deployment: Deployment, room_id: str, count: int, seconds: float) -> None:
    """Entries as `lua/bag/enter.lua` writes them, spread over some seconds."""
    key = RoomKeys.of(room_id).entrants_key
    for first in range(0, count, PAGE):
        names = {f"wx-{number:022d}": number + 1 for number in range(first, first + PAGE)}
        await deployment.redis.zadd(key, names)
        await asyncio.sleep(seconds * PAGE / count)


async def measure(deployment: Deployment, entries: int, countdown_s: float) -> None:
    parts = make_parts(deployment)
    rooms, bags = parts[Rooms], parts[Bags]
    new = NewRoom(title="Benchmark", host="host", starts_ms=4_000_000_000_000)
    room_id = (await rooms.create(new)).room_id
    await parts[RoomLifecycle].act(room_id, Verb.START)
    terms = NewBag(title="Luck", places=200, countdown_s=countdown_s, coupon="20 off")
    bag = await bags.create(await rooms.find(room_id), terms)
    stop = asyncio.Event()
    async with Tasks(stop) as tasks:
        tasks.repeat("lucky bags", BagKeeper(deployment).step)
        await enter(deployment, room_id, entries, countdown_s * 0.6)
        key = RoomKeys.of(room_id).bag_key
        while await deployment.redis.hget(key, "state") != "drawn":  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        told_ms = await deployment.engine.now_ms()
        stop.set()
    async with session(deployment.sql) as connection:
        found = await store.find_bag(connection, bag.bag_id)
    if found is None or found.drawn_ms is None:
        raise SystemExit("it was not drawn")
    print(
        f"{found.entries:,} entries: list closed {found.drawn_ms - found.draws_ms:,} ms behind "
        f"its time, drawn and told {told_ms - found.draws_ms:,} ms behind it"
    )
    for look in ("first", "second"):
        bags._records._found.clear()
        began_s, cpu_s = time.monotonic(), time.process_time()
        record = await bags.record(room_id, bag.bag_id)
        took_s, used_s = time.monotonic() - began_s, time.process_time() - cpu_s
        cost = f"{took_s * 1000:.0f} ms, {used_s * 1000:.0f} ms CPU"
        print(f"the {look} look at the record: {cost}")
    raw = record.raw
    print(f"the record: {len(raw):,} bytes, {len(gzip.compress(raw)):,} compressed")


async def run(folder: Path, sql: str | None, entries: int, countdown_s: float) -> None:
    settings = load_settings(data_dir=folder, sql__url=sql, log__level="error")
    logs.setup(settings, "benchmark")
    async with open_deployment(settings, role="keeper") as deployment:
        await measure(deployment, entries, countdown_s)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.draw", description=__doc__)
    parser.add_argument("--entries", type=int, default=50_000)
    parser.add_argument("--countdown-s", type=float, default=20.0)
    parser.add_argument("--sql", metavar="URL", help="a migrated database; SQLite by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="livesale-") as folder:
        asyncio.run(run(Path(folder), options.sql, options.entries, options.countdown_s))


if __name__ == "__main__":
    main()
