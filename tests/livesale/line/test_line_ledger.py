"""A line survives what stock survives: the writer, recovery, archiving, the audit."""

from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from livesale.database import engine as database
from livesale.ledger import tables
from livesale.ledger.line_tables import line_batches, line_leaves, line_turns, lines
from livesale.ledger.writer import Writer
from livesale.operations.audit import audit
from livesale.resources import Deployment
from livesale.sales.archive import Archiver
from stock.line.model import JoinCode, LineState, ServeCode
from tests.livesale.line.scenes import SEED, buy, close, everything, gather, in_turn, read
from tests.livesale.operations.recovery.scenes import adopt, broken, dump, recover, write
from tests.livesale.stage import on_both, running, until_written
from tests.waiting import until


@on_both
async def test_sql_has_what_the_log_says_of_a_line(stage: Deployment) -> None:
    # given, when: a line with everything, and a writer
    drop_id = await everything(stage)
    await write(stage)
    # then
    found = await read(stage, drop_id)
    (line,) = found["drop_lines"]
    snapshot = await stage.engine.line.snapshot(drop_id)
    assert snapshot
    assert (line["state"], line["places"], line["early"]) == ("open", 303, 301)
    assert (line["leavers"], line["serving"]) == (2, 20)
    assert (line["closing_id"], line["seed"]) == (snapshot.closing_id, SEED)
    # and: a row has the people of a whole entry
    people = [row["buyers"].split(" ") for row in found["line_batches"]]
    assert [len(some) for some in people] == [256, 44, 1, 2]
    assert [row["first_place"] for row in found["line_batches"]] == [0, 256, 300, 301]
    assert people[2:] == [["b7"], ["late", "later"]]
    assert {row["place"]: row["buyer_id"] for row in found["line_leaves"]} == {7: "b7", 8: "b8"}
    (turn,) = found["line_turns"]
    assert (turn["first_position"], turn["next_position"]) == (0, 20)
    assert (turn["available"], turn["held"]) == (20, 0)
    assert await broken(stage) == []


@on_both
async def test_an_emptied_redis_has_every_place_and_turn_again(stage: Deployment) -> None:
    # given
    drop_id = await everything(stage)
    bought = (await in_turn(stage, drop_id))[:5]
    await write(stage)
    before = await dump(stage)
    used = stage.keyspace.of_drop(drop_id).buyers
    # when
    await stage.redis.flushall()
    await recover(stage)
    await adopt(stage)
    # then: everything is there, but for the exact ticket that a buyer has used
    after = await dump(stage)
    assert {key: after[key] for key in after if key != used} == {
        key: before[key] for key in before if key != used
    }
    # and: who has had a unit in their turn cannot use the turn again, the others can
    assert await buy(stage, drop_id, bought) == []
    others = (await in_turn(stage, drop_id))[5:8]
    assert len(await buy(stage, drop_id, others)) == 3
    assert (await stage.engine.line.join(drop_id, ["b5"]))[0].code is JoinCode.REPLAYED
    assert await broken(stage) == []


async def test_an_emptied_redis_during_the_gathering(stage: Deployment) -> None:
    """Who joined before the opening is early, also if the keeper closes it after a recovery."""
    drop_id = await gather(stage, opens_in_ms=300)
    await stage.engine.line.join(drop_id, ["ann", "bob"])

    async def joined_late() -> bool:
        await stage.engine.line.join(drop_id, ["cat"])
        snapshot = await stage.engine.line.snapshot(drop_id)
        if snapshot and snapshot.n0 is None:
            await stage.engine.line.leave(drop_id, "cat")
        return bool(snapshot and snapshot.n0 is not None)

    await until(joined_late)
    early = await stage.engine.line.snapshot(drop_id)
    await write(stage)
    await stage.redis.flushall()
    await recover(stage)
    await adopt(stage)
    await close(stage, drop_id)
    after = await stage.engine.line.snapshot(drop_id)
    assert early and after
    assert (after.n0, after.n) == (early.n0, early.n)
    assert after.n0 == after.n - 1
    assert await broken(stage) == []


@on_both
async def test_a_finished_line_is_archived_with_its_drop(stage: Deployment) -> None:
    # given a sale that is over
    drop_id = await everything(stage)
    for rid in await stage.redis.hkeys(stage.keyspace.of_drop(drop_id).reservations):
        await stage.engine.confirm(rid, f"pay-{rid[-8:]}", 9_900)
    await stage.engine.close_drop(drop_id)
    assert (await stage.engine.line.serve(drop_id, 20, 0, 1)).code is ServeCode.GONE
    async with database.transaction(stage.sql) as connection:
        await connection.execute(update(tables.drops).values(closes_ms=1))
    await write(stage)
    # when
    archiver = Archiver(stage, stage.keyspace.partition_of(drop_id))

    async def archived() -> bool:
        return await archiver.archive() == 1

    await until(archived)
    # then: nothing of it is left in Redis, and SQL has it all
    assert [key for key in await stage.redis.keys("*") if drop_id in key] == []
    (line,) = (await read(stage, drop_id))["drop_lines"]
    assert (line["state"], line["places"]) == (LineState.GONE, 303)
    checks = await audit(stage, full=True)
    assert [check.invariant for check in checks if not check.ok] == []


async def faults(stage: Deployment) -> dict[str, str]:
    checks = await audit(stage, settle_s=0.0)
    return {check.invariant: check.detail for check in checks if not check.ok}


async def test_the_audit_replays_the_order_and_names_each_kind_of_damage(
    stage: Deployment,
) -> None:
    # given a healthy line
    drop_id = await everything(stage)
    async with running(Writer(stage)):
        await until_written(stage)
    assert await faults(stage) == {}
    before = await read(stage, drop_id)

    async def change(statement: Any) -> dict[str, str]:
        async with database.transaction(stage.sql) as connection:
            await connection.execute(statement)
        found = await faults(stage)
        async with database.transaction(stage.sql) as connection:
            for table in (lines, line_batches, line_leaves, line_turns):
                await connection.execute(delete(table))
                await connection.execute(insert(table), before[table.name])
        return found

    batch = line_batches.c
    moved = await change(
        update(line_batches).where(batch.first_place == 301).values(first_place=302)
    )
    twice = await change(
        update(line_batches).where(batch.first_place == 301).values(buyers="late b3")
    )
    other_seed = await change(update(lines).values(seed="00" * 32))
    backwards = await change(update(line_turns).values(first_position=3))
    unserved = await change(update(lines).values(serving=19))
    nobody_left = await change(update(lines).values(leavers=1))
    # then: each is I13
    assert set(moved) == set(twice) == set(backwards) == set(unserved) == {"I13"}
    assert "2 places from 302, after 301" in moved["I13"]
    assert "b3 has two places" in twice["I13"]
    assert "not the one that was promised" in other_seed["I13"]
    assert "serves 3 to 20" in backwards["I13"]
    assert "2 places were left" in nobody_left["I13"]
    # and: an order out of turn is I14
    shifted = await change(update(line_turns).values(at_ms=line_turns.c.at_ms + 3_600_000))
    gone = await change(update(lines).values(ended_ms=1))
    assert set(shifted) == set(gone) == {"I14"}
    assert "was not reserved in the turn of" in shifted["I14"]
    assert "was reserved after its line" in gone["I14"]


@pytest.mark.parametrize("names", [["bob"], ["ann", "bob"]])
async def test_an_entry_that_does_not_follow_is_not_written(
    stage: Deployment, names: list[str]
) -> None:
    """A place that SQL has already is refused, and put aside for an operator."""
    drop_id = await gather(stage)
    await stage.engine.line.join(drop_id, ["ann"])
    key = stage.keyspace.of_line(drop_id).line
    await stage.redis.hset(key, "n", 0)  # type: ignore[misc]
    await stage.redis.delete(stage.keyspace.of_line(drop_id).places)
    await stage.engine.line.join(drop_id, names)
    await write(stage)
    found = await read(stage, drop_id)
    assert [row["buyers"] for row in found["line_batches"]] == ["ann"]
    async with database.snapshot(stage.sql) as connection:
        reasons = (await connection.scalars(select(tables.quarantine.c.reason))).all()
    assert len(reasons) == 1
    assert "not as the log continues it" in reasons[0]
