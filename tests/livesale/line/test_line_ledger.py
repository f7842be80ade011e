"""A line survives what stock survives: the writer, recovery, archiving, the audit."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from livesale.database import engine as database
from livesale.ledger import tables
from livesale.ledger.line_tables import (
    TABLES,
    line_batches,
    line_entries,
    line_leaves,
    line_turns,
    lines,
)
from livesale.ledger.writer import Writer
from livesale.line.line_draws import LineDraws
from livesale.line.wrong_lines import STEP_MS
from livesale.operations.audit import audit
from livesale.resources import Deployment
from livesale.sales.archive import Archiver
from stock.ids import random_rid
from stock.line.model import JoinCode, LineMode, LineState, ServeCode
from stock.model import Attempt, Fate, Reservation, TakeBack, Ticket
from tests.livesale.line.scenes import SEED, buy, close, everything, gather, hold, in_turn, read
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
    # but: the clock of Redis may have gone back by a second meanwhile
    ahead = [
        await change(update(line_turns).values(at_ms=line_turns.c.at_ms + ms))
        for ms in (1_000, STEP_MS + 1_000)
    ]
    assert [set(found) for found in ahead] == [set(), {"I14"}]
    assert set(shifted) == set(gone) == {"I14"}
    assert "in no turn of 60000 ms" in shifted["I14"]
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


async def drawn(stage: Deployment, *, people: int = 300, units: int = 20) -> str:
    """A draw whose units are held, one of which came back and was passed on; some joined late."""
    drop_id = await gather(stage, mode=LineMode.DRAW, units=units)
    names = [f"b{number}" for number in range(people)]
    for start in range(0, people, 256):
        await stage.engine.line.join(drop_id, names[start : start + 256])
    await stage.engine.line.leave(drop_id, "b7")
    await stage.engine.line.leave(drop_id, "b8")
    await stage.engine.line.join(drop_id, ["b8"])
    await close(stage, drop_id)
    await stage.engine.line.leave(drop_id, "b9")
    await stage.engine.line.join(drop_id, ["late", "later"])
    await write(stage)
    rids = await hold(stage, drop_id)
    assert len(rids) == units
    await stage.engine.release(rids[1], (await claim_of(stage, rids[1])).buyer_id)
    assert len(await hold(stage, drop_id)) == 1
    return drop_id


def changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Keys that a recovery gave another value; but for the exact ticket that a buyer has used."""
    return [
        key
        for key, value in after.items()
        if ":buyers:" not in key and ":log" not in key and before.get(key) != value
    ]


async def claim_of(stage: Deployment, rid: str) -> Reservation:
    claim = await stage.engine.reservation(rid)
    assert claim
    return claim


@on_both
async def test_sql_has_what_was_drawn_and_held(stage: Deployment) -> None:
    drop_id = await drawn(stage)
    await write(stage)
    found = await read(stage, drop_id)
    (line,) = found["drop_lines"]
    # b7 and the first place of b8 were left before the opening, b9's after it
    assert (line["mode"], line["early"], line["entries"]) == ("draw", 301, 299)
    rows = found["line_entries"]
    assert [row["first_position"] for row in rows] == [0, 256]
    places = [int(place) for row in rows for place in row["places"].split(" ")]
    assert (sorted(places), places[299:]) == (list(range(301)), [7, 8])
    # a page has the positions that follow each other, whatever was asked for
    draws = LineDraws(stage)
    for serving in (0, 100, 255, 256, 290):
        some = await draws.next_in(drop_id, serving, 256, early=301)
        expected = [*places, 301, 302][serving : serving + 256]
        assert [place for _, place in some] == expected
        assert {name for name, place in some if place >= 301} <= {"late", "later"}
    # when: everybody gets a unit who can
    await stage.engine.adjust_drop(drop_id, "more", 400, "enough for all")
    while await hold(stage, drop_id):
        pass
    await write(stage)
    line_now = await stage.engine.line.snapshot(drop_id)
    assert line_now and (line_now.serving, line_now.held) == (303, 299 - 2 + 2)
    assert await broken(stage) == []


@on_both
async def test_an_emptied_redis_draws_nobody_again(stage: Deployment) -> None:
    # given: units held, and one step of the line that SQL has seen
    drop_id = await drawn(stage)
    await write(stage)
    before = await dump(stage)
    # when
    await stage.redis.flushall()
    await recover(stage)
    await adopt(stage)
    # then
    assert changed(before, await dump(stage)) == []
    assert await hold(stage, drop_id) == []
    # and: what returns goes to the next, nobody gets a second unit
    await stage.engine.adjust_drop(drop_id, "more", 30, "a box")
    more = await hold(stage, drop_id)
    buyers = [(await claim_of(stage, rid)).buyer_id for rid in more]
    assert len(set(buyers)) == len(buyers) == 30
    await write(stage)
    assert await broken(stage) == []


async def test_a_draw_waits_for_the_writer_and_is_made_once(stage: Deployment) -> None:
    drop_id = await gather(stage, mode=LineMode.DRAW, opens_in_ms=300)
    await stage.engine.line.join(drop_id, ["ann", "bob"])
    await close(stage, drop_id)
    draws = LineDraws(stage)
    assert not await draws.make(drop_id)  # SQL does not know yet who entered
    await write(stage)
    made = await asyncio.gather(*(LineDraws(stage).make(drop_id) for _ in range(3)))
    assert made == [True] * 3
    first = await read(stage, drop_id)
    assert await draws.make(drop_id)
    assert await read(stage, drop_id) == first
    assert len(first["line_entries"]) == 1


async def test_the_audit_draws_again(stage: Deployment) -> None:
    drop_id = await drawn(stage, people=20, units=3)
    async with running(Writer(stage)):
        await until_written(stage)
    assert await faults(stage) == {}
    before = await read(stage, drop_id)
    (row,) = before["line_entries"]
    places = row["places"].split(" ")
    swapped = " ".join([places[1], places[0], *places[2:]])

    async def change(statement: Any) -> dict[str, str]:
        async with database.transaction(stage.sql) as connection:
            await connection.execute(statement)
        found = await faults(stage)
        async with database.transaction(stage.sql) as connection:
            for table in TABLES:
                await connection.execute(delete(table))
                if before[table.name]:
                    await connection.execute(insert(table), before[table.name])
        return found

    other_order = await change(update(line_entries).values(places=swapped))
    other_list = await change(update(lines).values(list_hash="00" * 32))
    other_salt = await change(update(lines).values(salt="00" * 32))
    undrawn = await change(update(lines).values(list_hash=""))
    assert set(other_order) == set(other_list) == set(other_salt) == set(undrawn) == {"I13"}
    assert "order is not that of the seed" in other_order["I13"]
    assert "not the list of those who entered" in other_list["I13"]
    assert "has served before its draw" in undrawn["I13"]
    # and: a unit beside the draw is I14
    ticket = Ticket(1, 4_000_000_000_000)
    await stage.engine.adjust_drop(drop_id, "more", 1, "a box")
    rid = random_rid(drop_id)
    await stage.engine.reserve(drop_id, [Attempt(rid, "b5", 1, ticket)])
    async with running(Writer(stage)):
        await until_written(stage)
    assert "is not the unit of a place of b5" in (await faults(stage))["I14"]


@on_both
async def test_a_waitlist_survives_too_and_goes_on_after_it_was_gone(stage: Deployment) -> None:
    drop_id = await gather(stage, mode=LineMode.WAITLIST, opens_in_ms=0, units=1)
    ticket = Ticket(1, 4_000_000_000_000)
    rid = random_rid(drop_id)
    await stage.engine.reserve(drop_id, [Attempt(rid, "ann", 1, ticket)])
    await stage.engine.line.join(drop_id, ["bob", "cat"])
    await stage.engine.confirm(rid, "pay1", 9_900)
    assert (await stage.engine.line.hold(drop_id, 0, [])).code is ServeCode.GONE
    await write(stage)
    (line,) = (await read(stage, drop_id))["drop_lines"]
    assert (line["state"], line["early"], line["ended_ms"] is None) == ("gone", 0, False)
    before = await dump(stage)
    await stage.redis.flushall()
    await recover(stage)
    await adopt(stage)
    assert changed(before, await dump(stage)) == []
    # when: the unit comes back
    back = TakeBack(rid, "back1", 1, Fate.AVAILABLE, "broken")
    await stage.engine.take_back(back)
    assert (await stage.engine.line.hold(drop_id, 0, [])).code is ServeCode.REVIVED
    assert len(await hold(stage, drop_id)) == 1
    await write(stage)
    (line,) = (await read(stage, drop_id))["drop_lines"]
    assert (line["state"], line["serving"], line["ended_ms"]) == ("open", 1, None)
    assert await broken(stage) == []


@on_both
async def test_a_seal_covers_the_rows_of_a_line(stage: Deployment) -> None:
    # given a draw that was archived
    drop_id = await drawn(stage, people=20, units=3)
    for rid in await stage.redis.hkeys(stage.keyspace.of_drop(drop_id).reservations):
        await stage.engine.confirm(rid, f"pay-{rid[-8:]}", 9_900)
    await stage.engine.close_drop(drop_id)
    async with database.transaction(stage.sql) as connection:
        await connection.execute(update(tables.drops).values(closes_ms=1))
    assert (await stage.engine.line.hold(drop_id, 4, [])).code is ServeCode.GONE
    await write(stage)
    archiver = Archiver(stage, stage.keyspace.partition_of(drop_id))

    async def archived() -> bool:
        return await archiver.archive() == 1

    await until(archived)
    whole = {check.invariant: check for check in await audit(stage, full=True)}
    assert whole["seal"].ok, whole["seal"].detail
    # when a row of each table is changed by hand
    changes = (
        (lines, {"rate": 7}),
        (line_batches, {"at_ms": 7}),
        (line_leaves, {"at_ms": 7}),
        (line_turns, {"held": 7}),
        (line_entries, {"buyers": "nobody"}),
    )
    before = await read(stage, drop_id)
    for table, values in changes:
        async with database.transaction(stage.sql) as connection:
            await connection.execute(update(table).values(values))
        checks = {check.invariant: check for check in await audit(stage, full=True)}
        # then
        assert "terms, or the line: changed" in checks["seal"].detail, table.name
        async with database.transaction(stage.sql) as connection:
            await connection.execute(delete(table))
            await connection.execute(insert(table), before[table.name])
