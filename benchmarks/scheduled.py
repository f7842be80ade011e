"""The cost of rooms that have not begun: `python -m benchmarks.scheduled --rooms 10000`.

The keeper of rooms, with its directors and its keeper of bags, runs on an embedded Valkey and
SQLite. Rooms are scheduled for tomorrow, each with a draft of a drop, all of them in Redis. First
the directors announce all drops once; then we read the CPU time of the keeper and of Redis over
some seconds. SQLite runs in the keeper's process, so its time is the keeper's.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from livesale.database import engine as database
from livesale.deployment.opening import open_deployment
from livesale.ledger import tables
from livesale.resources import Deployment
from livesale.rooms import tables as rooms_tables
from livesale.rooms.keeper import RoomKeeper
from livesale.rooms.keys import RoomKeys
from livesale.settings import load_settings
from livesale.telemetry import logs
from stock.ids import new_id, new_room_id

DAY_MS = 86_400_000
PAGE = 2_000


async def add_rooms(deployment: Deployment, count: int) -> None:
    now_ms = await deployment.engine.now_ms()
    room = {"title": "Benchmark", "cover_url": "", "host": "host", "state": "scheduled"}
    times = {"state_ms": now_ms, "starts_ms": now_ms + DAY_MS, "created_ms": now_ms, "version": 1}
    drop = {"campaign_id": "c", "sku_id": "s", "state": "draft", "price_fen": 1, "allotted": 1}
    drop |= {"buyer_limit": 1, "hold_ms": 1_000, "expired_limit": 0, "created_ms": now_ms}
    drop |= {"opens_ms": now_ms + DAY_MS, "closes_ms": now_ms + 2 * DAY_MS}
    for start in range(0, count, PAGE):
        ids = [(new_room_id(), new_id()) for _ in range(start, min(count, start + PAGE))]
        part = deployment.keyspace.partition_of
        async with database.transaction(deployment.sql) as connection:
            rooms = [{**room, **times, "room_id": room_id} for room_id, _ in ids]
            await connection.execute(insert(rooms_tables.rooms), rooms)
            drops = [
                {**drop, "room_id": room_id, "drop_id": drop_id, "partition": part(drop_id)}
                for room_id, drop_id in ids
            ]
            await connection.execute(insert(tables.drops), drops)
        async with deployment.redis.pipeline(transaction=False) as together:
            for room_id, _ in ids:  # as `restore` and `bars` leave it
                known: dict[Any, Any] = {
                    "epoch": "e",
                    "offset": 0,
                    "version": 1,
                    "bars_version": 0,
                    "doc": "{}",
                }
                together.hset(RoomKeys.of(room_id).room_key, mapping=known)
            await together.execute()


async def redis_cpu_s(deployment: Deployment) -> float:
    found = await deployment.redis.info("cpu")
    return float(found["used_cpu_sys"]) + float(found["used_cpu_user"])


async def measure(folder: Path, count: int, settle_s: float, seconds: float) -> None:
    settings = load_settings(data_dir=folder, log__level="error")
    logs.setup(settings, "benchmark")
    async with open_deployment(settings, role="keeper") as deployment:
        await add_rooms(deployment, count)
        stop = asyncio.Event()
        keeper = asyncio.create_task(RoomKeeper(deployment).run(stop))
        await asyncio.sleep(settle_s)
        copied = await deployment.redis.dbsize()
        began_s, cpu_s = time.monotonic(), time.process_time()
        redis_s = await redis_cpu_s(deployment)
        await asyncio.sleep(seconds)
        took_s = time.monotonic() - began_s
        keeper_share = (time.process_time() - cpu_s) / took_s * 100
        redis_share = (await redis_cpu_s(deployment) - redis_s) / took_s * 100
        stop.set()
        await keeper
    print(
        f"{count:,} scheduled rooms over {took_s:.0f} s ({copied:,} keys in Redis): "
        f"the keeper {keeper_share:.1f} % of a core, Redis {redis_share:.1f} %"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scheduled", description=__doc__)
    parser.add_argument("--rooms", type=int, default=10_000)
    parser.add_argument("--settle-s", type=float, default=40.0, help="before it is measured")
    parser.add_argument("--seconds", type=float, default=30.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="livesale-") as folder:
        asyncio.run(measure(Path(folder), options.rooms, options.settle_s, options.seconds))


if __name__ == "__main__":
    main()
