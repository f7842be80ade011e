"""Finished drops leave Redis, and SQL answers for them."""

from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import select

from livesale.database import engine as database
from livesale.ledger import tables
from livesale.ledger.writer import Writer
from livesale.operations.audit import audit
from livesale.payments.gateway import Payment
from livesale.payments.intake import Intake
from livesale.resources import Deployment
from livesale.sales.archive import Archiver
from livesale.sales.drops import Drops
from tests.livesale.stage import PARTITIONS, PRICE_FEN, open_drop, reserve, running, until_written


def at_once(stage: Deployment, partition: int) -> Archiver:
    archiver = Archiver(stage, partition)
    archiver._after_ms = -10 * 3_600_000  # as if it were ten hours later
    return archiver


async def archive(stage: Deployment) -> int:
    return sum([await at_once(stage, number).archive() for number in range(PARTITIONS)])


async def finished(stage: Deployment) -> tuple[str, list[str]]:
    """A drop with one unit sold and one given back, closed and in SQL."""
    drop_id = await open_drop(stage)
    rids = await reserve(stage, drop_id, ["ann", "bob"])
    await stage.engine.confirm(rids[0], "pay-1", PRICE_FEN)
    await stage.engine.release(rids[1], "bob")
    await stage.engine.close_drop(drop_id)
    return drop_id, rids


async def write(stage: Deployment) -> None:
    async with running(Writer(stage)):
        await until_written(stage)


async def keys(redis: Redis, drop_id: str) -> list[Any]:
    return list(await redis.keys(f"*{drop_id}*"))


async def test_a_finished_drop_leaves_redis(stage: Deployment) -> None:
    # given a drop that is finished, and one that is still on sale
    drop_id, _ = await finished(stage)
    other = await open_drop(stage)
    await write(stage)
    # when its time has come
    assert await archive(stage) == 1
    # then nothing of it is left in Redis, and the other one is untouched
    assert await keys(stage.redis, drop_id) == []
    assert await stage.engine.snapshot(other)
    async with database.snapshot(stage.sql) as connection:
        query = select(tables.drops.c.drop_id).where(tables.drops.c.archived_ms.is_not(None))
        assert (await connection.scalars(query)).all() == [drop_id]
    # and once is enough; the promises hold
    assert await archive(stage) == 0
    assert [check for check in await audit(stage) if not check.ok] == []
    assert (await Drops(stage).books(drop_id)).ok


async def test_the_delay_is_kept(stage: Deployment) -> None:
    await finished(stage)
    await write(stage)
    assert [await Archiver(stage, number).archive() for number in range(PARTITIONS)] == [0, 0]


@pytest.mark.parametrize("why", ["held", "open", "behind", "different"])
async def test_what_is_not_finished_stays(stage: Deployment, why: str) -> None:
    # given a drop with something left to do
    drop_id, rids = await finished(stage)
    if why == "held":
        drop_id = await open_drop(stage)
        await reserve(stage, drop_id, ["ann"])
        await stage.engine.close_drop(drop_id)
    elif why == "open":
        drop_id = await open_drop(stage)
    await write(stage)
    if why == "behind":
        await stage.engine.confirm(rids[1], "pay-late", PRICE_FEN)
    elif why == "different":
        await stage.redis.hdel(stage.keyspace.of_drop(drop_id).reservations, rids[0])
    before = await keys(stage.redis, drop_id)
    # then it stays, whole
    await archive(stage)
    assert sorted(await keys(stage.redis, drop_id)) == sorted(before) != []


async def test_who_died_before_saying_so_is_no_harm(stage: Deployment) -> None:
    # given a drop that left Redis without a word in SQL
    drop_id, _ = await finished(stage)
    await write(stage)
    await stage.redis.delete(*await keys(stage.redis, drop_id))
    assert [check for check in await audit(stage) if not check.ok] == []
    assert await archive(stage) == 1


async def test_late_money_goes_back_once(stage: Deployment) -> None:
    # given a unit that was given back, in a drop that was archived since
    _, rids = await finished(stage)
    await write(stage)
    await archive(stage)
    intake = Intake(stage)

    def late(rid: str, payment_id: str) -> Payment:
        return Payment(order_id=rid, payment_id=payment_id, amount_fen=PRICE_FEN)

    # when money for it comes, twice, and the first payment of the sold one comes again
    results = [
        (await intake.take(late(rid, payment_id))).result
        for rid, payment_id in ((rids[1], "late"), (rids[1], "late"), (rids[0], "pay-1"))
    ]
    # then it goes back once
    assert results == ["stray", "replayed", "replayed"]
    async with database.snapshot(stage.sql) as connection:
        due = await connection.execute(select(tables.refunds.c.payment_id, tables.refunds.c.state))
        assert [tuple(row) for row in due] == [("late", "due")]
    assert [check for check in await audit(stage) if not check.ok] == []
