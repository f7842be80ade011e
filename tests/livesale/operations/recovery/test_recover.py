"""`livesale recover`: what Redis lost comes back from SQL, whole, and nothing is sold twice."""

import asyncio
import os
import random
import tempfile
from pathlib import Path

import pytest
from msgspec import structs
from sqlalchemy import select, update

from livesale.database import engine as database
from livesale.deployment.partitions import recovering
from livesale.errors import Refused
from livesale.ledger import tables
from livesale.operations.recovery import Progress, diagnose, open_for_recovery, repair
from livesale.resources import Deployment
from stock.books import Books
from stock.ids import new_id, random_rid
from stock.model import (
    AdjustCode,
    Attempt,
    Fate,
    Grant,
    HoldState,
    OpenCode,
    ReserveCode,
    TakeBack,
    TakeBackCode,
)
from stock.restorer import PAIRS
from tests.forks import forks, run_livesale
from tests.livesale.operations.recovery.scenes import (
    Copies,
    adopt,
    broken,
    dump,
    recover,
    sell,
    write,
)
from tests.livesale.stage import (
    PARTITIONS,
    PRICE_FEN,
    on_both,
    on_both_in_soak,
    open_drop,
    read_sql,
    reserve,
)
from tests.servers import Valkey
from tests.waiting import until


@on_both
async def test_an_emptied_redis_comes_back_whole(stage: Deployment) -> None:
    # given a sale that SQL holds, with everything that can happen in one
    crowd = await sell(stage, hold_ms=30, expired_limit=2)
    await write(stage)
    before = await dump(stage)
    # when Redis is emptied and recovered
    await stage.redis.flushall()
    repaired = await recover(stage)
    # then every key is what it was, under the next epoch
    assert await dump(stage) == before
    assert [each.epoch for each in repaired] == [2] * PARTITIONS
    assert sum(each.orders for each in repaired) == len(crowd.claims)
    # and the sale goes on with exact books
    await adopt(stage)
    await crowd.act(100)
    assert await broken(stage) == []


async def test_it_remembers_openings_and_adjustments(stage: Deployment) -> None:
    # given a drop that was restocked
    drop_id = await open_drop(stage)
    key = new_id()
    await stage.engine.adjust_drop(drop_id, key, 7, "a box")
    await write(stage)
    await stage.redis.flushall()
    await recover(stage)
    await adopt(stage)
    # when it is done again, then it is a replay
    assert await stage.engine.adjust_drop(drop_id, key, 7, "a box") == (AdjustCode.REPLAYED, 107)
    assert (await stage.engine.adjust_drop(drop_id, key, 8, "x"))[0] is AdjustCode.CONFLICT
    snapshot = await stage.engine.snapshot(drop_id)
    assert snapshot
    opened = await stage.engine.open_drop(
        drop_id, type(snapshot.terms)(*[*_values(snapshot.terms)[:5], 100, 0])
    )
    assert opened is OpenCode.REPLAYED


def _values(terms: object) -> list[int]:
    return [getattr(terms, name) for name in terms.__struct_fields__]  # type: ignore[attr-defined]


@on_both_in_soak
async def test_what_is_left_of_the_log_is_kept(stage: Deployment) -> None:
    # given SQL that is behind, and a Redis that lost nothing but its epochs
    crowd = await sell(stage)
    await write(stage)
    await crowd.act(100)
    before = await dump(stage)
    for partition in range(PARTITIONS):
        await stage.redis.delete(stage.keyspace.epoch(partition))
    # when it is recovered, then all that was acknowledged is there
    repaired = await recover(stage)
    assert sum(each.salvaged for each in repaired) > 50
    assert await dump(stage) == before
    await adopt(stage)
    assert await broken(stage) == []


async def test_a_dry_run_changes_nothing(stage: Deployment) -> None:
    await sell(stage)
    await write(stage)
    await stage.redis.delete(stage.keyspace.epoch(0))
    before = await dump(stage, whole=True), await read_sql(stage)
    async with open_for_recovery(stage.settings) as own:
        found = [await diagnose(own, partition) for partition in range(PARTITIONS)]
    assert [each.healthy for each in found] == [False, True]
    assert found[0].drops >= 1
    assert found[0].continuous
    assert (await dump(stage, whole=True), await read_sql(stage)) == before


@on_both
async def test_another_number_of_partitions_is_refused(stage: Deployment) -> None:
    there = stage.settings.stock.partitions
    for number in (there - 1, 64):
        other = stage.settings.stock.model_copy(update={"partitions": number})
        with pytest.raises(Refused, match=f"has {there} partitions, not {number}"):
            async with open_for_recovery(stage.settings.model_copy(update={"stock": other})):
                pass


async def test_a_healthy_partition_is_refused(stage: Deployment) -> None:
    await sell(stage, 50)
    before = await dump(stage, whole=True)
    async with open_for_recovery(stage.settings) as own:
        with pytest.raises(Refused, match="healthy"):
            await repair(own, await diagnose(own, 0))
    assert await dump(stage, whole=True) == before


async def test_an_older_database_is_refused(stage: Deployment) -> None:
    # given a database from before entries that Redis has trimmed
    await sell(stage, 50)
    await write(stage)
    async with database.transaction(stage.sql) as connection:
        await connection.execute(update(tables.log_offsets).values(offset="1-0", entries=0))
    for partition in range(PARTITIONS):
        await stage.redis.xtrim(stage.keyspace.log(partition), maxlen=0, approximate=False)
    async with open_for_recovery(stage.settings) as own:
        found = await diagnose(own, 0)
        assert "older than Redis" in found.problem
        with pytest.raises(Refused, match="Use the database"):
            await repair(own, found)


async def test_of_two_at_once_one_wins(stage: Deployment) -> None:
    await sell(stage)
    await write(stage)
    before = await dump(stage)
    await stage.redis.flushall()

    async def attempt() -> bool:
        async with open_for_recovery(stage.settings) as own:
            try:
                await repair(own, await diagnose(own, 0))
            except Refused:
                return False
            return True

    assert sorted(await asyncio.gather(attempt(), attempt())) == [False, True]
    await recover(stage)
    assert await dump(stage) == before


async def test_one_that_overtakes_stops_the_other(stage: Deployment) -> None:
    # given a recovery that stands still in the middle of its rebuilding
    await sell(stage)
    await write(stage)
    before = await dump(stage)
    await stage.redis.flushall()
    async with open_for_recovery(stage.settings) as own:
        found = await diagnose(own, 0)
        other: asyncio.Task[object] | None = None

        def overtake(progress: Progress) -> None:
            nonlocal other
            if progress.orders and other is None:
                other = asyncio.get_running_loop().create_task(recover(stage))

        original = own.redis.execute_command

        async def slow(*args: object, **options: object) -> object:
            if other is not None:
                await asyncio.wait([other], timeout=5)
            return await original(*args, **options)

        own.redis.execute_command = slow
        # when another one begins, then the first is refused and has harmed nothing
        with pytest.raises(Refused, match="another"):
            await repair(own, found, overtake)
    for _ in range(200):
        async with open_for_recovery(stage.settings) as own:
            if (await diagnose(own, 0)).healthy and (await diagnose(own, 1)).healthy:
                break
    assert await dump(stage) == before


@pytest.mark.parametrize("step", range(0, 14, 2))
async def test_torn_in_the_middle_it_ends_the_same(stage: Deployment, step: int) -> None:
    # given a lost Redis with a tail that SQL does not hold
    crowd = await sell(stage)
    await write(stage)
    await crowd.act(40)
    before = await dump(stage)
    for partition in range(PARTITIONS):
        await stage.redis.delete(stage.keyspace.epoch(partition))
    calls = 0

    def tear(_progress: Progress) -> None:
        nonlocal calls
        calls += 1
        if calls > step:
            raise KeyboardInterrupt

    # when a recovery is torn at some step and begun again
    async with open_for_recovery(stage.settings) as own:
        try:
            await repair(own, await diagnose(own, 0), tear)
            torn = False
        except KeyboardInterrupt:
            torn = True
        assert (await diagnose(own, 0)).healthy is not torn
    await recover(stage)
    # then the end is the same
    assert await dump(stage) == before
    await adopt(stage)
    assert await broken(stage) == []


async def test_kill_9_in_the_middle(stage: Deployment) -> None:
    crowd = await sell(stage, 400)
    await write(stage)
    await crowd.act(40)
    before = await dump(stage)
    for partition in range(PARTITIONS):
        await stage.redis.delete(stage.keyspace.epoch(partition))
    chance = random.Random(3)
    command = ("recover", "--yes", "--redis", stage.redis_url, "--sql", stage.settings.sql.url)
    environment = os.environ | {"LIVESALE__STOCK__PARTITIONS": str(PARTITIONS)}
    with tempfile.TemporaryFile() as out, tempfile.NamedTemporaryFile() as err:
        process = forks().start(command, environment, out, err)

        def its_first_step_has_begun() -> bool:
            return os.stat(err.name).st_size > 0

        await until(its_first_step_has_begun)
        await asyncio.sleep(chance.uniform(0, 0.05))
        process.kill()
        process.wait()
    done = await asyncio.to_thread(run_livesale, *command, env=environment)
    assert done.returncode == 0, done.stderr
    assert await dump(stage) == before
    await adopt(stage)
    assert await broken(stage) == []


@on_both_in_soak
async def test_an_older_copy_loses_nothing_that_sql_has(
    stage: Deployment, mortal_redis: Valkey, tmp_path: Path
) -> None:
    # given a copy of Redis, and more that was sold since and is in SQL
    crowd = await sell(stage)
    await write(stage)
    copies = Copies(mortal_redis, tmp_path)
    copies.take()
    await crowd.act(150)
    await write(stage)
    before = await dump(stage)
    # when the copy is put back and recovered
    await copies.put_back(stage.redis)
    assert await dump(stage) != before
    await recover(stage)
    # then everything is there
    assert await dump(stage) == before
    await adopt(stage)
    assert await broken(stage) == []


@on_both_in_soak
async def test_what_a_wrong_copy_sold_is_never_sold_twice(
    stage: Deployment, mortal_redis: Valkey, tmp_path: Path
) -> None:
    # given a copy on which 3 of 10 units are left, and the right Redis on which ann took 2 of them
    drop_id = await open_drop(stage, allotted=10)
    early = await reserve(stage, drop_id, [f"b{number}" for number in range(7)])
    await write(stage)
    copies = Copies(mortal_redis, tmp_path)
    copies.take()
    rights = await reserve(stage, drop_id, ["ann", "ann"])
    await write(stage)
    # when the copy sells 3 units, of which 2 are paid, and lets the first buyer go
    await copies.put_back(stage.redis)
    wrongs = await reserve(stage, drop_id, ["eve", "fay", "gil"])
    await stage.engine.confirm(wrongs[0], "pay-eve", PRICE_FEN)
    await stage.engine.confirm(wrongs[1], "pay-fay", PRICE_FEN)
    await stage.engine.confirm(early[0], "pay-b0", PRICE_FEN)
    (fitted,) = [each for each in await recover(stage) if each.fitted_in]
    assert fitted.fitted_in == 4
    await adopt(stage)
    # then what SQL had stands, one of the three fits, the others are released and money goes back
    states = {
        rid: claim.state
        for rid in [*rights, *wrongs, early[0]]
        if (claim := await stage.engine.reservation(rid))
    }
    assert states == {
        rights[0]: HoldState.HELD,
        rights[1]: HoldState.HELD,
        wrongs[0]: HoldState.SOLD,
        wrongs[1]: HoldState.RELEASED,
        wrongs[2]: HoldState.RELEASED,
        early[0]: HoldState.SOLD,
    }
    async with database.snapshot(stage.sql) as connection:
        due = await connection.execute(select(tables.refunds.c.payment_id))
        assert [row[0] for row in due] == ["pay-fay"]
        aside = await connection.execute(select(tables.quarantine.c.reason))
        assert len(aside.all()) == 4
    assert await broken(stage) == []


async def test_what_a_wrong_copy_gave_is_never_given_twice(
    stage: Deployment, mortal_redis: Valkey, tmp_path: Path
) -> None:
    # given a copy on which 2 of 3 units are left, and the right Redis on which ann was given one
    drop_id = await open_drop(stage, allotted=3, price_fen=0)
    held, twice, late = (Grant(random_rid(drop_id), name) for name in ("bob", "ann", "cat"))
    await stage.engine.reserve(drop_id, [Attempt(held.rid, held.buyer_id)])
    await write(stage)
    copies = Copies(mortal_redis, tmp_path)
    copies.take()
    await stage.engine.grant(drop_id, "bag 1", [twice])
    await write(stage)
    # when the copy gives the same again, and one more, and what bob holds
    await copies.put_back(stage.redis)
    wrong = await stage.engine.grant(drop_id, "bag 1", [held, twice, late])
    assert [outcome.code for outcome in wrong] == ["GRANTED"] * 3
    await recover(stage)
    await adopt(stage)
    # then each is given once
    for each in (held, twice, late):
        claim = await stage.engine.reservation(each.rid)
        assert claim and claim.state is HoldState.SOLD
    snapshot = await stage.engine.snapshot(drop_id)
    assert snapshot and (snapshot.available, snapshot.sold) == (0, 3)
    assert await broken(stage) == []


async def test_a_grant_that_does_not_fit_any_more_is_released(
    stage: Deployment, mortal_redis: Valkey, tmp_path: Path
) -> None:
    # given a copy on which one unit is left, which ann has been given since
    drop_id = await open_drop(stage, allotted=1, price_fen=0)
    ann, bob = Grant(random_rid(drop_id), "ann"), Grant(random_rid(drop_id), "bob")
    await write(stage)
    copies = Copies(mortal_redis, tmp_path)
    copies.take()
    await stage.engine.grant(drop_id, "bag 1", [ann])
    await write(stage)
    # when the copy gives it to bob
    await copies.put_back(stage.redis)
    await stage.engine.grant(drop_id, "bag 2", [bob])
    await recover(stage)
    await adopt(stage)
    # then ann has it, and bob's order says that he has not
    for each, state in ((ann, HoldState.SOLD), (bob, HoldState.RELEASED)):
        claim = await stage.engine.reservation(each.rid)
        assert claim and (claim.state, claim.amount_fen) == (state, 0)
    assert await broken(stage) == []


async def test_what_came_back_on_a_wrong_copy_comes_back_once(
    stage: Deployment, mortal_redis: Valkey, tmp_path: Path
) -> None:
    # given two sold orders, a copy, and the right Redis to which a unit of ann's came back since
    drop_id = await open_drop(stage, allotted=4, price_fen=0)
    ann, bob = Grant(random_rid(drop_id), "ann", 2), Grant(random_rid(drop_id), "bob")
    await stage.engine.grant(drop_id, "bag 1", [ann, bob])
    await write(stage)
    copies = Copies(mortal_redis, tmp_path)
    copies.take()
    first = TakeBack(ann.rid, "t1", 1, Fate.AVAILABLE, "as new")
    await stage.engine.take_back(first)
    await write(stage)
    # when the copy takes the same back again, too much of it, and bob's
    await copies.put_back(stage.redis)
    for back in (
        first,
        TakeBack(ann.rid, "t2", 1, Fate.BURNED, "broken"),
        TakeBack(bob.rid, "t3", 1, Fate.BURNED, "broken"),
    ):
        assert (await stage.engine.take_back(back))[0] is TakeBackCode.TAKEN
    await recover(stage)
    await adopt(stage)
    # then each came back once, and Redis answers its retries
    snapshot = await stage.engine.snapshot(drop_id)
    assert snapshot and snapshot.books == Books(4, 2, 0, 0, 2)
    assert (await stage.engine.take_back(first))[0] is TakeBackCode.REPLAYED
    again = await stage.engine.take_back(TakeBack(ann.rid, "t4", 1, Fate.BURNED, "x"))
    assert again[0] is TakeBackCode.TOO_MANY
    assert await broken(stage) == []


async def test_many_orders_are_restored_in_pieces(stage: Deployment) -> None:
    # given more orders than go into one call, of more buyers
    drop_id = await open_drop(stage, allotted=3_000, buyer_limit=2)
    for start in range(0, 2_500, 250):
        await reserve(stage, drop_id, [f"b{number // 2}" for number in range(start, start + 250)])
    await write(stage)
    before = await dump(stage)
    await stage.redis.flushall()
    await recover(stage)
    assert await dump(stage) == before
    await adopt(stage)
    # and the limit of a buyer is remembered
    batch = await stage.engine.reserve(drop_id, [Attempt(f"{drop_id}-{'x' * 16}", "b0")])
    assert batch.outcomes[0].code is ReserveCode.OVER_LIMIT


async def test_books_that_contradict_their_orders_are_not_restored(stage: Deployment) -> None:
    # given SQL whose books were changed by hand
    await reserve(stage, await open_drop(stage), ["ann"])
    await write(stage)
    async with database.transaction(stage.sql) as connection:
        books = tables.books
        await connection.execute(
            update(books).values(held=books.c.held + 1, available=books.c.available - 1)
        )
    await stage.redis.flushall()
    # when it is recovered, then it is said, and nothing can be sold
    with pytest.raises(Exception, match="its orders add up to"):
        await recover(stage)
    async with open_for_recovery(stage.settings) as own:
        assert [(await diagnose(own, n)).healthy for n in range(PARTITIONS)].count(True) <= 1


async def test_a_drop_may_have_been_adjusted_without_end(stage: Deployment) -> None:
    # given a drop that was restocked more often than one call of a script takes pairs
    drop_id = await open_drop(stage)
    keys = [new_id() for _ in range(2 * PAIRS + 1)]
    await asyncio.gather(*(stage.engine.adjust_drop(drop_id, key, 1, "a box") for key in keys))
    await write(stage)
    before = await dump(stage)
    # when Redis is lost, also by a release that gave up behind its clearing, and recovered
    await stage.redis.flushall()
    partition = stage.keyspace.partition_of(drop_id)
    await stage.redis.set(stage.keyspace.epoch(partition), recovering(2))
    await recover(stage)
    # then it has all of them
    assert await dump(stage) == before
    await adopt(stage)
    assert (await stage.engine.adjust_drop(drop_id, keys[-1], 1, "a box"))[0] is AdjustCode.REPLAYED
    assert await broken(stage) == []


@pytest.mark.parametrize("counter", ["held", "available"])
async def test_nothing_is_cleared_that_cannot_be_rebuilt(stage: Deployment, counter: str) -> None:
    # given SQL whose books are not what its orders add up to, or do not balance
    crowd = await sell(stage)
    await write(stage)
    drop_id = crowd.drop_ids[0]
    partition = stage.keyspace.partition_of(drop_id)
    await stage.redis.delete(stage.keyspace.epoch(partition))
    before = await dump(stage)
    books, moved = tables.books, {counter: 1, "allotted": int(counter == "held")}
    changes = {name: books.c[name] + delta for name, delta in moved.items()}
    async with database.transaction(stage.sql) as connection:
        await connection.execute(update(books).where(books.c.drop_id == drop_id).values(**changes))
    async with open_for_recovery(stage.settings) as own:
        # when it is looked at, then the look says that it cannot be done, and it is not begun
        found = await diagnose(own, partition)
        assert drop_id in found.problem
        assert found.cure
        with pytest.raises(Refused, match=drop_id):
            await repair(own, found)
        assert await stage.redis.get(stage.keyspace.epoch(partition)) is None
        # and when it is found behind the look only, then nothing is cleared
        unaware = structs.replace(found, cure="")
        with pytest.raises(Refused, match="cannot be rebuilt"):
            await repair(own, unaware)
    assert await dump(stage) == before
    # and when SQL is right again, then the next recovery ends it
    changes = {name: books.c[name] - delta for name, delta in moved.items()}
    async with database.transaction(stage.sql) as connection:
        await connection.execute(update(books).where(books.c.drop_id == drop_id).values(**changes))
    await recover(stage)
    assert await dump(stage) == before
