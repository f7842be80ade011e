"""A line survives what stock survives: the writer, recovery, a wrong copy, archiving, the audit."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from livesale.database import engine as database
from livesale.draws.order import Order
from livesale.ledger import tables
from livesale.ledger.line_tables import line_batches, line_leaves, line_turns, lines
from livesale.ledger.writer import Writer
from livesale.operations.audit import audit
from livesale.resources import Deployment
from livesale.sales.archive import Archiver
from stock.ids import random_rid
from stock.line.checks import commitment_of
from stock.line.model import JoinCode, LineCloseCode, LineState, LineTerms, Place, ServeCode
from stock.model import Attempt, DropTerms, ReserveCode, Ticket
from tests.livesale.operations.recovery.scenes import Copies, adopt, broken, dump, recover, write
from tests.livesale.stage import on_both, running, until_written
from tests.servers import Valkey
from tests.waiting import until

SEED = "5e" * 32
TERMS = LineTerms(commitment_of(SEED), turn_ms=60_000, rate=100_000, capacity=10_000)


async def gather(stage: Deployment, *, opens_in_ms: int = 1_000, units: int = 20) -> str:
    """A drop with a line that gathers: in SQL as an operator leaves it, and in Redis."""
    now_ms = await stage.engine.now_ms()
    terms = DropTerms(
        opens_ms=now_ms + opens_in_ms,
        closes_ms=now_ms + 3_600_000,
        hold_ms=600_000,
        buyer_limit=2,
        price_fen=9_900,
        allotted=units,
        expired_limit=0,
        ticket_required=True,
    )
    drop_id = f"line{now_ms}"[-15:]
    row = {
        "drop_id": drop_id,
        "campaign_id": "c1",
        "sku_id": "s1",
        "state": "opening",
        "partition": stage.keyspace.partition_of(drop_id),
        "created_ms": now_ms,
        **{name: getattr(terms, name) for name in terms.__struct_fields__},
    }
    line = {
        "drop_id": drop_id,
        "state": "draft",
        "commitment": TERMS.commitment,
        "seed": SEED,
        "turn_ms": TERMS.turn_ms,
        "rate": TERMS.rate,
        "capacity": TERMS.capacity,
        "created_ms": now_ms,
    }
    async with database.transaction(stage.sql) as connection:
        await connection.execute(insert(tables.drops), [row])
        await connection.execute(insert(lines), [line])
    await stage.engine.open_drop(drop_id, terms)
    await stage.engine.line.open(drop_id, TERMS)
    return drop_id


async def close(stage: Deployment, drop_id: str) -> None:
    async def is_open() -> bool:
        return await stage.engine.line.close(drop_id, SEED) is LineCloseCode.OPENED

    await until(is_open, "the line opens with its drop")


async def serve(stage: Deployment, drop_id: str, serving: int) -> int:
    """Give turns, once the rate allows one; the positions served then."""
    found = [serving]

    async def served() -> bool:
        outcome = await stage.engine.line.serve(drop_id, serving, 0, 1_000)
        found[0] = outcome.serving
        return outcome.code is ServeCode.SERVED

    await until(served, "somebody's turn")
    return found[0]


async def buy(stage: Deployment, drop_id: str, buyers: list[str]) -> list[str]:
    """One unit for each whose turn it is, by the ticket of that turn."""
    snapshot = await stage.engine.line.snapshot(drop_id)
    assert snapshot and snapshot.n0 is not None
    order = Order(snapshot.seed, snapshot.n0, snapshot.closing_id)
    rids = []
    for buyer in buyers:
        place = await stage.engine.line.place(drop_id, buyer)
        assert place
        position = order.position_of(place.index)
        turn = next(turn for turn in snapshot.turns if turn.first <= position < turn.until)
        ticket = Ticket(turn.at_ms * 1_000, turn.at_ms + snapshot.terms.turn_ms)
        rid = random_rid(drop_id)
        batch = await stage.engine.reserve(drop_id, [Attempt(rid, buyer, 1, ticket)])
        rids += [rid] if batch.outcomes[0].code is ReserveCode.HELD else []
    return rids


async def in_turn(stage: Deployment, drop_id: str) -> list[str]:
    """The buyers who have been served, in their order."""
    snapshot = await stage.engine.line.snapshot(drop_id)
    assert snapshot and snapshot.n0 is not None
    order = Order(snapshot.seed, snapshot.n0, snapshot.closing_id)
    names = await stage.redis.hgetall(stage.keyspace.of_line(drop_id).places)
    by_position = {
        order.position_of(int(text)): name for name, text in names.items() if "l" not in text
    }
    return [by_position[at] for at in range(snapshot.serving) if at in by_position]


async def everything(stage: Deployment, *, people: int = 300) -> str:
    """A line in which everything has happened that can happen before its end."""
    drop_id = await gather(stage)
    names = [f"b{number}" for number in range(people)]
    for start in range(0, people, 256):
        await stage.engine.line.join(drop_id, names[start : start + 256])
    await stage.engine.line.leave(drop_id, "b7")
    await stage.engine.line.leave(drop_id, "b8")
    await stage.engine.line.join(drop_id, ["b7", "b9"])
    await close(stage, drop_id)
    await stage.engine.line.join(drop_id, ["late", "later"])
    assert await serve(stage, drop_id, 0) == 20
    await buy(stage, drop_id, (await in_turn(stage, drop_id))[:5])
    return drop_id


async def read(stage: Deployment, drop_id: str) -> dict[str, list[Any]]:
    found = {}
    async with database.snapshot(stage.sql) as connection:
        for table in (lines, line_batches, line_leaves, line_turns):
            rows = await connection.execute(select(table).where(table.c.drop_id == drop_id))
            found[table.name] = [row._asdict() for row in rows]
    return found


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

    await until(joined_late, "somebody who joins after the opening")
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
async def test_places_of_a_wrong_copy_follow_at_the_end(
    stage: Deployment, mortal_redis: Valkey, tmp_path: Path
) -> None:
    # given a copy of Redis from the gathering, and bob who joined since
    drop_id = await gather(stage, opens_in_ms=3_600_000 // 2)
    await stage.engine.line.join(drop_id, ["ann"])
    await write(stage)
    copies = Copies(mortal_redis, tmp_path)
    copies.take()
    await stage.engine.line.join(drop_id, ["bob"])
    await write(stage)
    # when cat and bob join on the copy, and ann leaves there
    await copies.put_back(stage.redis)
    outcomes = await stage.engine.line.join(drop_id, ["cat", "bob"])
    assert [outcome.index for outcome in outcomes] == [1, 2]
    await stage.engine.line.leave(drop_id, "ann")
    await recover(stage)
    await adopt(stage)
    # then: one place each; bob keeps the one that SQL had
    places = [await stage.engine.line.place(drop_id, name) for name in ("ann", "bob", "cat")]
    assert places == [Place(0, left=True), Place(1), Place(2)]
    assert await broken(stage) == []


@on_both
async def test_a_finished_line_is_archived_with_its_drop(stage: Deployment) -> None:
    # given a sale that is over
    keeper = stage.settings.keeper.model_copy(update={"archive_after_s": 0})
    stage.settings.keeper = keeper
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

    await until(archived, "the drop is archived")
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
