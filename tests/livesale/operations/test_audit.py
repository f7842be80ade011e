"""The audit holds on a healthy system, and each kind of damage turns exactly its checks red."""

import asyncio

import pytest
from sqlalchemy import delete, insert, select, update

from livesale.database import engine as database
from livesale.ledger.tables import books, drops, orders, payments, refunds, stock_ledger
from livesale.ledger.writer import Writer
from livesale.operations.audit import audit
from livesale.payments.keeper import Keeper
from livesale.resources import Deployment
from stock.ids import random_rid
from stock.model import Fate, Grant, TakeBack, TakeBackCode
from tests.livesale.stage import (
    PRICE_FEN,
    Crowd,
    on_both,
    on_both_in_soak,
    open_drop,
    reserve,
    running,
    until_written,
)
from tests.servers import Valkey

ALL = [
    "I1",
    "I2",
    "I3",
    "I4",
    "I5",
    "I6",
    "I7",
    "I8",
    "I9",
    "I10",
    "I11",
    "I13",
    "I14",
    "seal",
    "stock",
    "log",
]


@pytest.fixture
async def drop_id(stage: Deployment) -> str:
    """A drop that everything has happened to, all of it in SQL."""
    drop_id = await open_drop(stage, buyer_limit=2)
    rids = await reserve(stage, drop_id, [f"buyer-{number}" for number in range(20)])
    for number, rid in enumerate(rids[:6]):
        await stage.engine.confirm(rid, f"pay-{number}", PRICE_FEN)
    await stage.engine.confirm(rids[0], "pay-again", PRICE_FEN)
    for number, rid in enumerate(rids[6:10], 6):
        await stage.engine.release(rid, f"buyer-{number}")
    await stage.engine.confirm(rids[6], "pay-late", PRICE_FEN)
    await stage.engine.grant(drop_id, "bag 1", [Grant(gift_of(drop_id), "buyer-30")])
    await stage.engine.adjust_drop(drop_id, "a1", -3, "broken in the box")
    for number, fate in enumerate((Fate.AVAILABLE, Fate.BURNED)):
        back = TakeBack(rids[number], f"t{number}", 1, fate, "came back")
        assert (await stage.engine.take_back(back))[0] is TakeBackCode.TAKEN
    async with running(Writer(stage)):
        await until_written(stage)
    return drop_id


def gift_of(drop_id: str) -> str:
    """The order that was granted."""
    return f"{drop_id}-{'g' * 16}"


async def _red(stage: Deployment) -> set[str]:
    checks = await audit(stage, settle_s=0.0)
    assert [check.invariant for check in checks] == ALL
    return {check.invariant for check in checks if not check.ok}


@on_both_in_soak
async def test_a_healthy_system_is_green(stage: Deployment, drop_id: str) -> None:
    # given a drop with a history, when it is audited, then everything holds
    checks = await audit(stage)
    assert [(check.invariant, check.ok) for check in checks] == [(name, True) for name in ALL]
    assert "21 reservations" in next(c.detail for c in checks if c.invariant == "I4")


@on_both
async def test_it_is_exact_while_everything_moves(stage: Deployment) -> None:
    # given a crowd, a writer and a keeper at work
    drop_ids = [await open_drop(stage, hold_ms=50, allotted=60) for _ in range(3)]
    crowd = Crowd(stage, drop_ids, seed=7)
    async with running(Writer(stage)), running(Keeper(stage)):
        # when the audit looks again and again while they buy, then no promise is ever broken
        for _ in range(4):
            buying = asyncio.create_task(crowd.act(80))
            checks = await audit(stage)
            assert [check for check in checks if not check.ok] == []
            await buying


async def test_it_needs_no_writer_for_what_is_in_the_log(stage: Deployment, drop_id: str) -> None:
    # given a log that nobody writes into SQL: sales, an end of a hold, another drop
    rids = await reserve(stage, drop_id, ["xia", "yan", "zoe"])
    await stage.engine.confirm(rids[0], "pay-x", PRICE_FEN)
    await stage.engine.release(rids[1], "yan")
    await open_drop(stage)
    grants = [Grant(random_rid(drop_id), "ann"), Grant(gift_of(drop_id), "buyer-30")]
    await stage.engine.grant(drop_id, "bag 2", grants)
    await stage.engine.take_back(TakeBack(rids[0], "t-x", 1, Fate.AVAILABLE, "came back"))
    await stage.engine.pause_drop(drop_id)
    # when it is audited, then only liveness is broken, and it says what to look for
    checks = await audit(stage, settle_s=0.0)
    assert [check.invariant for check in checks if not check.ok] == ["I9"]
    detail = next(check.detail for check in checks if check.invariant == "I9")
    assert "entries behind: is the writer running?" in detail


@on_both_in_soak
async def test_books_altered_by_hand(stage: Deployment, drop_id: str) -> None:
    # given SQL's books changed so that they still balance
    async with database.transaction(stage.sql) as connection:
        await connection.execute(
            update(books).values(available=books.c.available + 1, allotted=books.c.allotted + 1)
        )
    # when audited, then the ledger and Redis contradict them
    assert await _red(stage) == {"I2", "I3"}


@on_both_in_soak
async def test_books_that_do_not_balance(stage: Deployment, drop_id: str) -> None:
    # given counters in Redis changed by hand
    await stage.redis.hincrby(stage.keyspace.of_drop(drop_id).drop, "available", 1)
    # when audited, then I1 is broken: there is no snapshot to compare SQL with
    assert "I1" in await _red(stage)


async def test_counters_altered_in_redis(stage: Deployment, drop_id: str) -> None:
    # given counters in Redis changed so that they still balance
    key = stage.keyspace.of_drop(drop_id).drop
    await stage.redis.hincrby(key, "available", 1)
    await stage.redis.hincrby(key, "allotted", 1)
    # when audited, then the two sides differ
    assert await _red(stage) == {"I3"}


@on_both_in_soak
async def test_records_that_nobody_can_read_are_named(stage: Deployment, drop_id: str) -> None:
    keys = stage.keyspace.of_drop(drop_id)
    rid = next(iter(await stage.redis.hkeys(keys.reservations)))
    buyer = next(iter(await stage.redis.hkeys(keys.buyers)))
    await stage.redis.hset(keys.reservations, rid, "x|y")
    await stage.redis.hset(keys.buyers, buyer, "many")
    found = {check.invariant: check for check in await audit(stage, settle_s=0.5)}
    assert not found["I4"].ok
    assert rid in found["I4"].detail
    assert not found["I5"].ok
    assert buyer in found["I5"].detail


@on_both_in_soak
async def test_an_order_deleted_by_hand(stage: Deployment, drop_id: str) -> None:
    # given an acknowledged reservation whose order is gone
    async with database.transaction(stage.sql) as connection:
        rid = await connection.scalar(select(orders.c.order_id).where(orders.c.state == "held"))
        await connection.execute(delete(orders).where(orders.c.order_id == rid))
    # when audited, then exactly that is found
    checks = await audit(stage, settle_s=0.0)
    assert [check.invariant for check in checks if not check.ok] == ["I4"]
    assert rid is not None
    assert rid in next(check.detail for check in checks if check.invariant == "I4")


@on_both_in_soak
async def test_an_order_nobody_asked_for(stage: Deployment, drop_id: str) -> None:
    # given a unit sold a second time, to somebody without a reservation, with a payment
    async with database.transaction(stage.sql) as connection:
        await connection.execute(insert(orders), [_order(random_rid(drop_id), drop_id)])
    # when audited, then there are more orders than reservations
    assert await _red(stage) == {"I6", "I8"}


def _order(rid: str, drop_id: str) -> dict[str, object]:
    return {
        "order_id": rid,
        "drop_id": drop_id,
        "buyer_id": "mallory",
        "quantity": 1,
        "price_fen": PRICE_FEN,
        "amount_fen": PRICE_FEN,
        "state": "sold",
        "expires_ms": 9_999_999_999_999,
        "created_ms": 9_999_999_999_999,
        "updated_ms": 9_999_999_999_999,
    }


@on_both_in_soak
async def test_a_double_sale(stage: Deployment, drop_id: str) -> None:
    # given a unit sold a second time, paid for like any other
    rid = random_rid(drop_id)
    payment = {
        "payment_id": "pay-double",
        "order_id": rid,
        "amount_fen": PRICE_FEN,
        "result": "sold",
        "created_ms": 1,
    }
    async with database.transaction(stage.sql) as connection:
        await connection.execute(insert(orders), [_order(rid, drop_id)])
        await connection.execute(insert(payments), [payment])
    # when audited, then exactly the order without a reservation is found
    assert await _red(stage) == {"I6"}


@on_both_in_soak
async def test_a_ledger_row_altered(stage: Deployment, drop_id: str) -> None:
    # given the opening of the drop with another number in the ledger
    async with database.transaction(stage.sql) as connection:
        await connection.execute(
            update(stock_ledger).where(stock_ledger.c.kind == "open").values(available=101)
        )
    # when audited, then the ledger no longer adds up to the books
    assert await _red(stage) == {"I2"}


@on_both_in_soak
async def test_a_hold_that_ends_twice(stage: Deployment, drop_id: str) -> None:
    # given stock that came back twice from one hold
    async with database.transaction(stage.sql) as connection:
        released = stock_ledger.c.kind == "release"
        row = (await connection.execute(select(stock_ledger).where(released))).mappings().first()
        assert row is not None
        await connection.execute(insert(stock_ledger), [{**row, "log_seq": 999_999}])
    # when audited, then that hold is named, and the ledger is off the books
    assert await _red(stage) == {"I2", "I7"}


@on_both_in_soak
async def test_a_missing_payment(stage: Deployment, drop_id: str) -> None:
    # given a sold order whose payment is gone
    async with database.transaction(stage.sql) as connection:
        await connection.execute(delete(payments).where(payments.c.payment_id == "pay-3"))
    # when audited, then it is sold without money
    assert await _red(stage) == {"I8"}


@on_both_in_soak
async def test_a_grant_that_is_not_in_the_ledger(stage: Deployment, drop_id: str) -> None:
    # given a sold order that cost nothing and that nobody granted
    free = _order(random_rid(drop_id), drop_id) | {"price_fen": 0, "amount_fen": 0}
    async with database.transaction(stage.sql) as connection:
        await connection.execute(insert(orders), [free])
    # when audited, then it is sold without money, and no reservation
    assert await _red(stage) == {"I6", "I8"}


async def test_a_grant_with_a_price(stage: Deployment, drop_id: str) -> None:
    # given a granted order that was to be paid
    async with database.transaction(stage.sql) as connection:
        mine = orders.c.order_id == gift_of(drop_id)
        await connection.execute(update(orders).where(mine).values(amount_fen=PRICE_FEN))
    # when audited, then it is sold without money, and Redis says otherwise
    assert await _red(stage) == {"I4", "I8"}


@on_both_in_soak
async def test_a_grant_that_was_paid_for(stage: Deployment, drop_id: str) -> None:
    # given a payment for what was given
    payment = {"payment_id": "pay-gift", "order_id": gift_of(drop_id), "amount_fen": 0}
    async with database.transaction(stage.sql) as connection:
        row = payment | {"result": "sold", "created_ms": 1}
        await connection.execute(insert(payments), [row])
    # when audited, then the two contradict each other
    assert await _red(stage) == {"I8"}


async def test_a_grant_that_happened_twice(stage: Deployment, drop_id: str) -> None:
    # given a grant that is in the ledger twice
    async with database.transaction(stage.sql) as connection:
        granted = stock_ledger.c.kind == "grant"
        row = (await connection.execute(select(stock_ledger).where(granted))).mappings().one()
        await connection.execute(insert(stock_ledger), [{**row, "log_seq": 999_999}])
    # when audited, then that order is named, and the ledger is off the books
    assert await _red(stage) == {"I2", "I7"}


@on_both_in_soak
async def test_a_unit_that_came_back_twice(stage: Deployment, drop_id: str) -> None:
    # given what came back in the ledger twice, and the books moved along
    async with database.transaction(stage.sql) as connection:
        taken = stock_ledger.c.adjust_id == "t0"
        row = (await connection.execute(select(stock_ledger).where(taken))).mappings().one()
        await connection.execute(insert(stock_ledger), [{**row, "log_seq": 999_999}])
        mine = update(books).where(books.c.drop_id == drop_id)
        await connection.execute(
            mine.values(available=books.c.available + 1, sold=books.c.sold - 1)
        )
    # when audited, then more came back than was sold, and Redis says otherwise
    assert await _red(stage) == {"I3", "I7"}


@on_both_in_soak
async def test_a_payment_of_another_amount(stage: Deployment, drop_id: str) -> None:
    # given a payment of one fen less
    async with database.transaction(stage.sql) as connection:
        await connection.execute(
            update(payments)
            .where(payments.c.payment_id == "pay-late")
            .values(amount_fen=PRICE_FEN - 1)
        )
    # when audited, then it does not pay for its order
    assert await _red(stage) == {"I8"}


@on_both_in_soak
async def test_a_missing_refund(stage: Deployment, drop_id: str) -> None:
    # given money that must go back, and no refund
    async with database.transaction(stage.sql) as connection:
        await connection.execute(delete(refunds))
    # when audited, then it is missed
    assert await _red(stage) == {"I8"}


@on_both_in_soak
async def test_a_buyer_over_the_limit(stage: Deployment, drop_id: str) -> None:
    # given a limit that a buyer has passed, in Redis
    await stage.redis.hset(stage.keyspace.of_drop(drop_id).buyers, "buyer-1", "3")
    # when audited, then the buyer is found
    assert await _red(stage) == {"I5"}


@on_both_in_soak
async def test_an_early_order(stage: Deployment, drop_id: str) -> None:
    # given a drop that opened later than it was reserved
    async with database.transaction(stage.sql) as connection:
        opens_ms = await connection.scalar(select(orders.c.created_ms)) or 0
        await connection.execute(update(drops).values(opens_ms=opens_ms + 1_000))
    # when audited, then the order is early
    assert await _red(stage) == {"I11"}


async def test_an_overdue_hold(stage: Deployment, drop_id: str) -> None:
    # given a hold that should have ended long ago
    due = stage.keyspace.due(stage.keyspace.partition_of(drop_id))
    (rid,) = await stage.redis.zrange(due, 0, 0)
    await stage.redis.zadd(due, {str(rid): 1})
    # when audited without a keeper, then it is overdue
    assert await _red(stage) == {"I9"}


async def test_an_epoch_that_differs(stage: Deployment, drop_id: str) -> None:
    # given Redis that is of another epoch than SQL
    await stage.redis.set(stage.keyspace.epoch(stage.keyspace.partition_of(drop_id)), 7)
    # when audited, then they do not belong together
    assert await _red(stage) == {"I10"}


async def test_redis_that_lost_a_drop(stage: Deployment, drop_id: str) -> None:
    # given a drop that is open in SQL and gone from Redis
    keys = stage.keyspace.of_drop(drop_id)
    await stage.redis.delete(keys.drop, keys.reservations, keys.buyers)
    # when audited, then the sides differ
    assert "I3" in await _red(stage)


async def test_a_check_that_cannot_be_made_does_not_hold(
    stage: Deployment, drop_id: str, redis_server: Valkey
) -> None:
    # given Redis that is down
    redis_server.kill()
    try:
        # when audited, then nothing is claimed to hold, and the reason stands there
        checks = await audit(stage, settle_s=0.0)
    finally:
        redis_server.start()
    assert {check.invariant for check in checks if check.ok} == set()
    assert {check.detail.partition(":")[0] for check in checks} == {"could not be checked"}
