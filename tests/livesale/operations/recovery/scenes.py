"""What the tests of recovery share: whole dumps, lost and old servers, the recovery itself."""

import shutil
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from livesale.database.schema import migrate
from livesale.deployment.opening import open_sql
from livesale.ledger.writer import Writer
from livesale.operations.audit import Check, audit
from livesale.operations.recovery import Repaired, diagnose, open_for_recovery, repair
from livesale.resources import Deployment
from livesale.settings import Settings, load_settings
from stock.ids import new_id
from stock.records import pack_reservation, unpack_reservation
from tests.livesale.stage import PARTITIONS, Crowd, open_drop, running, until_written
from tests.servers import Valkey

Dump = dict[str, Any]


async def replicated(redis_url: str, sql_url: str, folder: Path, **others: Any) -> Settings:
    """Settings with one replica that confirms, and the tables that they need."""
    made = load_settings(
        data_dir=folder,
        sql__url=sql_url,
        redis__url=redis_url,
        redis__durability="replicated",
        redis__replicas=1,
        redis__wait_ms=500,
        redis__timeout_ms=2_000,
        **others,
    )
    async with open_sql(made) as sql:
        await migrate(sql)
    return made


async def dump(stage: Deployment, *, whole: bool = False) -> Dump:
    """Every key of Redis; but for the log and the epoch, which recovery begins anew."""
    redis, found = stage.redis, {}
    for key in sorted(await redis.keys("*")):
        kind = str(await redis.type(key))
        if kind == "hash":
            found[key] = dict(sorted((await redis.hgetall(key)).items()))
        elif kind == "zset":
            found[key] = await redis.zrange(key, 0, -1, withscores=True)
        elif whole and kind == "stream":
            found[key] = [await redis.xrange(key), await redis.xinfo_stream(key)]
        elif whole:
            found[key] = await redis.get(key)
        if ":reservations:" in key:
            found[key] = {rid: _sorted(rid, text) for rid, text in found[key].items()}
    return found


def _sorted(rid: str, text: str) -> str:
    """A record whose refunds are in order: SQL does not know in which they came in one ms."""
    claim = unpack_reservation(rid, text)
    return f"{pack_reservation(claim).partition(',')[0].rpartition('|')[0]} {sorted(claim.refunds)}"


async def sell(stage: Deployment, steps: int = 250, seed: int = 1, **changes: int) -> Crowd:
    """Three drops and a crowd that bought; what it did is still in the log alone."""
    drop_ids = [await open_drop(stage, **changes) for _ in range(3)]
    while len({stage.keyspace.partition_of(drop_id) for drop_id in drop_ids}) < PARTITIONS:
        drop_ids.append(await open_drop(stage, **changes))
    await stage.engine.adjust_drop(drop_ids[0], new_id(), 5, "a box")
    await stage.engine.pause_drop(drop_ids[1])
    await stage.engine.resume_drop(drop_ids[1])
    crowd = Crowd(stage, drop_ids, seed)
    await crowd.act(steps)
    return crowd


async def write(stage: Deployment) -> None:
    """Let a writer move the whole log into SQL."""
    async with running(Writer(stage)):
        await until_written(stage)


async def recover(stage: Deployment) -> list[Repaired]:
    """`livesale recover --yes`, with stores opened as it opens them."""
    async with open_for_recovery(stage.settings) as own:
        found = [
            await diagnose(own, partition) for partition in range(stage.settings.stock.partitions)
        ]
        return [await repair(own, each) for each in found if not each.healthy]


async def adopt(stage: Deployment) -> None:
    """Give a stage without a watchman the epochs that SQL has."""
    async with open_for_recovery(stage.settings) as own:
        for partition in range(stage.settings.stock.partitions):
            stage.engine.epochs[partition] = (await diagnose(own, partition)).place.epoch


async def broken(stage: Deployment) -> list[Check]:
    """What the audit finds once SQL has caught up; no keeper runs here, so nothing is late."""
    await write(stage)
    return [check for check in await audit(stage) if not check.ok and check.invariant != "I9"]


class Copies:
    """Copies of a server's AOF folder, taken and put back while it stands still."""

    def __init__(self, server: Valkey, folder: Path) -> None:
        self._server = server
        self._copy = folder / "copy"
        self._aof = server.folder / "appendonlydir"

    def take(self) -> None:
        """As an operator copies it under load: nothing is rewritten meanwhile."""
        shutil.copytree(self._aof, self._copy)

    async def put_back(self, redis: Redis) -> None:
        """Stop the server, give it the copy, start it, and connect `redis` anew."""
        self._server.kill()
        shutil.rmtree(self._aof)
        shutil.copytree(self._copy, self._aof)
        self._server.start()
        await redis.connection_pool.disconnect()
