"""A rolling upgrade: the release before this one beside it, on one log and one database."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from livesale.database import engine as database
from livesale.ledger import rows as ledger
from livesale.ledger.partition_state import PartitionState
from livesale.ledger.writer import Writer
from livesale.operations.audit import audit
from livesale.operations.quarantine import Result, all_aside
from livesale.operations.quarantine import replay as replay_entries
from livesale.resources import Deployment
from stock.gateway import RedisEngine
from stock.ids import random_rid
from stock.model import Grant
from stock.scripts import load, load_engine
from tests.livesale.comparison import expected, fold_of, found
from tests.livesale.later import decode_later, later_version
from tests.livesale.stage import (
    PARTITIONS,
    PRICE_FEN,
    Crowd,
    open_drop,
    open_stage,
    reserve,
    running,
    until_written,
)
from tests.previous import export_previous
from tests.servers import Valkey
from tests.waiting import until


class Previous:
    """The previous release, unpacked, for stores that it shares with this one."""

    def __init__(self, folder: Path, redis_url: str, sql_url: str) -> None:
        self.folder = folder
        self._stores = ["--sql", sql_url]
        self._redis = ["--redis", redis_url]
        self._environment = os.environ | {
            "PYTHONPATH": str(folder),
            "LIVESALE__STOCK__PARTITIONS": str(PARTITIONS),
            "LIVESALE__DATA_DIR": str(folder / "var"),
            "LIVESALE__WRITER__TRIM_EVERY_MS": "3600000",  # the log is folded from its start
            "LIVESALE__WRITER__STANDBY_MS": "100",
        }

    async def migrate(self) -> None:
        process = await self._start("migrate", *self._stores)
        said, _ = await process.communicate()
        assert (process.returncode, "0011_room_numbers" in said.decode()) == (0, True)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """A writer of that release, which is killed in the end."""
        process = await self._start("writer", *self._redis, *self._stores)
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def _start(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "livesale", *arguments),
            cwd=self.folder,
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
        )

    def api(self, stage: Deployment) -> Deployment:
        """The stage as an API worker of that release has it: with its scripts."""
        lua = self.folder / "lua"
        theirs = {
            name: load(name, lua) for name in load_engine() if (lua / f"{name}.lua").is_file()
        }
        scripts = load_engine() | theirs  # what it did not have yet, it did not call
        engine = RedisEngine(stage.redis, stage.keyspace, stage.engine.epochs, scripts=scripts)
        return replace(stage, engine=engine)


async def test_both_orders_and_the_takeover(
    redis: Redis,
    redis_server: Valkey,
    sqlite_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # given a deployment of the previous release, with its tables and its writer
    previous = Previous(export_previous(tmp_path), redis_server.url, sqlite_url)
    await previous.migrate()
    async with previous.writing() as old_writer:
        await _until_claimed(sqlite_url, tmp_path)
        flags = {"writer__trim_every_ms": 3_600_000}
        # when the tables are brought up to date under it
        async with open_stage(redis, redis_server.url, sqlite_url, tmp_path, **flags) as stage:
            # then it writes on: what its own API sells, and what this one's does
            drop_ids = [await open_drop(previous.api(stage)), await open_drop(stage)]
            crowd = Crowd(stage, drop_ids, grants=False)
            await _sell(crowd, previous.api(stage), stage)
            await until_written(stage)
            assert await all_aside(stage) == []
            # and what a later one writes it puts aside, as releases did before this one
            later = later_version(stage)
            (rid,) = await reserve(later, drop_ids[0], ["late"])
            await until_written(stage)
            (lost,) = await all_aside(stage)
            # (so it does a grant, which that release did not have)
            given = Grant(random_rid(drop_ids[0]), "winner")
            await stage.engine.grant(drop_ids[0], "bag 1", [given])
            await until_written(stage)
            _, gift = await all_aside(stage)
            # when a writer of this release comes, then one of the two stands by
            writer = Writer(stage)
            async with running(writer):
                await _sell_until_standby(crowd, writer)
                # and when the old one is gone, then this one writes, whichever API sells
                old_writer.kill()
                await old_writer.wait()
                crowd.grants = True
                await _sell(crowd, previous.api(stage), stage)
                await until_written(stage)
                # and what was put aside is put in its place by a release that knows it
                monkeypatch.setattr("livesale.operations.quarantine.replays.decode", decode_later)
                outcomes = await replay_entries(stage, [lost, gift])
                assert [outcome.result for outcome in outcomes] == [Result.REPLAYED] * 2
                assert [outcome.kind for outcome in outcomes] == ["reserve", "grant"]
                await stage.engine.confirm(rid, "pay-late", PRICE_FEN)
                await until_written(stage)
            assert await all_aside(stage) == []
            monkeypatch.setattr("tests.livesale.comparison.decode", decode_later)
            assert await found(stage) == expected(await fold_of(stage))
            assert [check for check in await audit(stage) if not check.ok] == []


async def _until_claimed(sql_url: str, folder: Path) -> None:
    """Wait until the old writer has begun: it makes the rows of the partitions."""
    sql = database.connect(sql_url, folder)

    async def claimed() -> bool:
        async with database.transaction(sql, write=False) as connection:
            return await ledger.position(connection, PARTITIONS - 1) is not None

    try:
        await until(claimed)
    finally:
        await sql.dispose()


async def _sell(crowd: Crowd, *workers: Deployment) -> None:
    """Sell through each of these, one after the other."""
    for worker in workers:
        crowd.stage = worker
        await crowd.act(15)


async def _sell_until_standby(crowd: Crowd, writer: Writer) -> None:
    """Sell until the writer has met another one in every partition that is sold from.

    It may be the quicker one each time: then the other has met it.
    """
    met: set[int] = set()
    used = {crowd.stage.keyspace.partition_of(drop_id) for drop_id in crowd.drop_ids}
    for _ in range(100):
        await crowd.act(1)
        await asyncio.sleep(0.02)
        met |= {s.partition for s in writer.status() if s.state is PartitionState.STANDBY}
        if met == used:
            return
