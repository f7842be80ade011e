"""I9: the log reaches SQL, and no hold ends later than one sweep after its deadline."""

import asyncio
import time

from redis.asyncio import Redis

from livesale.database.engine import transaction
from livesale.ledger import rows as ledger
from livesale.ledger.check import Check, verdict
from livesale.payments.prepays import open_among
from livesale.resources import Deployment
from stock.ids import id_key, is_rid
from stock.log import LogReader

I9 = ("I9", "the log reaches SQL, and holds end at their deadline")
SWEEP_MS = 1_000
MAX_HELD_BACK = 500
LOOK_S = 0.05


async def check_liveness(deployment: Deployment, reader: "Redis", settle_s: float) -> Check:
    """Wait at most `settle_s` until SQL holds the present log and nothing is overdue."""
    deadline_s = time.monotonic() + settle_s
    targets = {
        partition: (await LogReader(reader, deployment.keyspace.log(partition)).info()).last_id
        for partition in range(deployment.keyspace.partitions)
    }
    while True:
        broken = await _behind(deployment, reader, targets) + await _overdue(deployment, reader)
        left_s = deadline_s - time.monotonic()
        if not broken or left_s <= 0:
            return verdict(*I9, broken, "SQL has caught up, no hold is overdue")
        await asyncio.sleep(min(LOOK_S, left_s))


async def _behind(deployment: Deployment, reader: "Redis", targets: dict[int, str]) -> list[str]:
    late = []
    for partition, target in targets.items():
        async with transaction(deployment.sql, write=False) as connection:
            place = await ledger.position(connection, partition)
        if place is None:
            late.append(f"p{partition:02d}: SQL has no row in log_offsets")
        elif id_key(place.offset) < id_key(target):
            info = await LogReader(reader, deployment.keyspace.log(partition)).info()
            late.append(
                f"p{partition:02d}: SQL is {info.entries_added - place.entries} entries behind: "
                "is the writer running?"
            )
    return late


async def _held_back(deployment: Deployment, reader: "Redis", key: str, before_ms: int) -> int:
    """How many overdue holds are allowed: the keeper asks the gateway whether they are paid."""
    grace_ms = deployment.settings.payments.grace_ms
    found = await reader.zrange(
        key, before_ms - grace_ms, before_ms, byscore=True, offset=0, num=MAX_HELD_BACK
    )
    rids = [str(member) for member in found if is_rid(str(member))]
    if not rids:
        return 0
    async with transaction(deployment.sql, write=False) as connection:
        return len(await open_among(connection, rids))


async def _overdue(deployment: Deployment, reader: "Redis") -> list[str]:
    """Members that are due, by Redis's clock, for longer than a sweep may take."""
    late = []
    for partition in range(deployment.keyspace.partitions):
        before_ms = await deployment.engine.now_ms() - SWEEP_MS
        key = deployment.keyspace.due(partition)
        count = await reader.zcount(key, "-inf", before_ms)
        if count:
            count -= await _held_back(deployment, reader, key, before_ms)
        if count > 0:
            oldest = await reader.zrange(key, 0, 0, withscores=True)
            late_ms = before_ms + SWEEP_MS - int(oldest[0][1]) if oldest else 0
            late.append(
                f"p{partition:02d}: {count} members are overdue, the oldest by {late_ms} ms: "
                "is the keeper running?"
            )
    return late
