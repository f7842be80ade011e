"""Entries of a later version halt their partition: nothing acknowledged leaves SQL."""

import pytest
from prometheus_client import CollectorRegistry

from livesale.catalogue import store as catalogue
from livesale.database import engine as database
from livesale.ledger import tail
from livesale.ledger.catch_up import wait_until_caught_up
from livesale.ledger.partition_state import PartitionState
from livesale.ledger.writer import Writer
from livesale.operations import readiness
from livesale.operations.audit import audit
from livesale.operations.health import Health
from livesale.resources import Deployment
from livesale.sales.books import compare_books
from livesale.web.draining import Draining
from stock.errors import LogTooNew
from tests.livesale.later import decode_later, later_version
from tests.livesale.stage import open_drop, read_sql, reserve, running, until_written
from tests.waiting import until


def state_of(writer: Writer, partition: int) -> PartitionState:
    return writer.status()[partition].state


async def halted(writer: Writer, partition: int) -> None:
    def is_halted() -> bool:
        return state_of(writer, partition) is PartitionState.LOG_TOO_NEW

    await until(is_halted)


async def test_a_writer_waits_for_one_that_knows_the_entry(
    stage: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a drop that this version opened, and a later version that sells it
    drop_id = await open_drop(stage)
    partition = stage.keyspace.partition_of(drop_id)
    before = await reserve(stage, drop_id, ["ann"])
    later = later_version(stage)
    (rid,) = await reserve(later, drop_id, ["bob"])
    await later.engine.release(rid, "bob")
    after = await reserve(stage, drop_id, ["cid"])
    registry = CollectorRegistry()
    writer = Writer(stage, registry)
    async with running(writer):
        await halted(writer, partition)
        # then SQL has all before it, nothing behind it, and nothing is put aside
        rows = await read_sql(stage)
        assert [row[0] for row in rows["orders"]] == before
        assert rows["quarantine"] == []
        # and it is said: by the writer, its metrics, readiness, the audit, the books, at shutdown
        status = writer.status()[partition]
        assert "version 2, this reader knows 1" in status.last_error
        assert status.lag_entries == 3
        assert not writer.healthy
        labels = {"partition": str(partition), "state": "log_too_new"}
        assert registry.get_sample_value("livesale_writer_state", labels) == 1
        finding = await readiness.log_versions(stage.redis, stage.sql, stage.settings)
        ready = Health(stage, Draining())
        monkeypatch.setattr("livesale.operations.health.TOO_NEW_MS", -1)
        assert f"(partition {partition})" in (await ready.ready()).writer.detail
        assert (finding.verdict, f"p{partition:02d}" in finding.text) == ("problem", True)
        monkeypatch.setattr("livesale.operations.audit.LATER_S", 0.0)
        checks = {check.invariant: check for check in await audit(stage, settle_s=0)}
        assert not checks["I3"].ok
        assert "version 2" in checks["I3"].detail
        async with database.transaction(stage.sql, write=False) as connection:
            drop = await catalogue.find_drop(connection, drop_id)
        assert drop
        with pytest.raises(LogTooNew):
            await compare_books(stage, drop)
        behind = await wait_until_caught_up(stage, timeout_s=60.0)
        assert "version 2" in behind[partition]
        # and the other partitions go on
        assert state_of(writer, 1 - partition) is PartitionState.WRITING
        # when a writer comes that knows it, then it goes on by itself
        monkeypatch.setattr(tail, "decode", decode_later)
        await until_written(stage)
    states = {row[0]: row[6] for row in (await read_sql(stage))["orders"]}
    assert states == {before[0]: "held", rid: "released", after[0]: "held"}
    assert [check for check in await audit(stage) if not check.ok] == []


@pytest.mark.parametrize(
    "fields", [{"v": "9"}, {"v": "1", "k": "teleport"}, {"v": "9", "k": "reserve", "d": "x"}]
)
async def test_two_writers_do_not_pass_it_either(stage: Deployment, fields: dict[str, str]) -> None:
    # given two writers of this version, and an entry of a later one
    drop_id = await open_drop(stage)
    partition = stage.keyspace.partition_of(drop_id)
    await stage.redis.xadd(stage.keyspace.log(partition), dict(fields))
    rids = await reserve(stage, drop_id, ["ann"])
    first, second = Writer(stage), Writer(stage)
    # when both have met it: who cannot write it hands it on
    met: set[Writer] = set()

    def both_have_met_it() -> bool:
        too_new = PartitionState.LOG_TOO_NEW
        met.update(one for one in (first, second) if state_of(one, partition) is too_new)
        return len(met) == 2

    async with running(first), running(second):
        await until(both_have_met_it)
    # then it stands, with all behind it
    rows = await read_sql(stage)
    assert (rows["orders"], rows["quarantine"]) == ([], [])
    # and an entry that is taken out by hand is no obstacle
    entries = await stage.redis.xrange(stage.keyspace.log(partition))
    await stage.redis.xdel(stage.keyspace.log(partition), entries[1][0])
    async with running(Writer(stage)):
        await until_written(stage)
    assert [row[0] for row in (await read_sql(stage))["orders"]] == rids
