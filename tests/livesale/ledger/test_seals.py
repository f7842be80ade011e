"""Finished drops are sealed: audits do not read their rows again, and still nothing is missed."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import ColumnElement, Table, delete, event, insert, select, update

from livesale.catalogue import store as catalogue
from livesale.database import engine as database
from livesale.database.schema import migrate
from livesale.ledger import refunds, seals, tables
from livesale.ledger.instant import take_instant
from livesale.ledger.refunds import list_refunds
from livesale.ledger.tables import books, drops, orders, payments, stock_ledger
from livesale.operations.audit import Check, audit
from livesale.payments.gateway import Payment
from livesale.payments.intake import Intake
from livesale.payments.refunds import Refunds
from livesale.resources import Deployment
from livesale.sales import archive as archiving
from stock.ids import random_rid
from tests.livesale.sales.test_archive import archive, at_once, write
from tests.livesale.stage import PARTITIONS, PRICE_FEN, on_both, on_both_in_soak, open_drop, reserve


@pytest.fixture
async def drop_id(stage: Deployment) -> str:
    """A sealed drop that everything has happened to, and one beside it that still sells."""
    drop_id = await open_drop(stage, buyer_limit=2)
    rids = await reserve(stage, drop_id, ["ann", "bob", "cem", "dan"])
    await stage.engine.confirm(rids[0], "pay-ann", PRICE_FEN)
    await stage.engine.confirm(rids[1], "pay-bob", PRICE_FEN)
    await stage.engine.confirm(rids[0], "pay-again", PRICE_FEN)
    await stage.engine.release(rids[2], "cem")
    await stage.engine.release(rids[3], "dan")
    await stage.engine.adjust_drop(drop_id, "a1", -3, "broken in the box | 打碎")
    await stage.engine.close_drop(drop_id)
    await reserve(stage, await open_drop(stage), ["eva"])
    await write(stage)
    assert await archive(stage) == 1
    return drop_id


async def _checks(stage: Deployment, *, full: bool = False) -> dict[str, Check]:
    return {check.invariant: check for check in await audit(stage, settle_s=0.0, full=full)}


async def _red(stage: Deployment, *, full: bool = False) -> set[str]:
    return {name for name, check in (await _checks(stage, full=full)).items() if not check.ok}


async def _change(stage: Deployment, *statements: Any) -> None:
    async with database.transaction(stage.sql) as connection:
        for statement in statements:
            await connection.execute(statement)


async def _sealed(stage: Deployment) -> list[str]:
    async with database.snapshot(stage.sql) as connection:
        query = select(books.c.drop_id).where(books.c.sealed_ms.is_not(None))
        return list(await connection.scalars(query))


async def _rid_of(stage: Deployment, buyer_id: str) -> str:
    async with database.snapshot(stage.sql) as connection:
        query = select(orders.c.order_id).where(orders.c.buyer_id == buyer_id)
        rid: str = (await connection.scalars(query)).one()
        return rid


async def _take(stage: Deployment, rid: str, payment_id: str) -> str:
    payment = Payment(order_id=rid, payment_id=payment_id, amount_fen=PRICE_FEN)
    return (await Intake(stage).take(payment)).result


@on_both
async def test_a_finished_drop_is_sealed(stage: Deployment, drop_id: str) -> None:
    # given a drop that was archived, then it is sealed
    assert await _sealed(stage) == [drop_id]
    # and the audit says what it looked at: the other drop by its rows, this one by its seal
    checks = await _checks(stage)
    assert [check for check in checks.values() if not check.ok and check.invariant != "I9"] == []
    assert checks["seal"].detail.startswith("sealed: 1 drop with 4 orders, each against its books")
    assert checks["I6"].detail == "1 order; sealed drops by their seals"
    # and when all is looked at, every row counts
    checks = await _checks(stage, full=True)
    assert [check for check in checks.values() if not check.ok] == []
    assert checks["seal"].detail == "sealed: 1 drop with 4 orders, each against its rows"
    assert checks["I6"].detail == "5 orders"


# What is changed by hand in the rows of a sealed drop: only reading them all finds it.
ROWS: dict[str, tuple[Table, dict[str, str], dict[str, Any] | None, str]] = {
    "the buyer of an order": (orders, {"buyer_id": "dan"}, {"buyer_id": "eve"}, "orders: a row"),
    "an order's time": (orders, {"buyer_id": "dan"}, {"updated_ms": 1}, "orders: a row"),
    "the money of an order": (
        *(orders, {"buyer_id": "ann"}, {"amount_fen": 1}),
        f"orders: a row was changed, {2 * PRICE_FEN} fen when sealed, {PRICE_FEN + 1} now",
    ),
    "an order is gone": (orders, {"buyer_id": "dan"}, None, "orders: 4 rows when sealed, 3 now"),
    "a movement": (stock_ledger, {"kind": "release"}, {"at_ms": 1}, "movements: a row"),
    "an operator's reason": (stock_ledger, {"adjust_id": "a1"}, {"note": "-"}, "movements: a row"),
    "a reason that is no more": (
        *(stock_ledger, {"adjust_id": "a1"}, {"note": None}),
        "movements: a row",
    ),
    "a movement is gone": (stock_ledger, {"kind": "open"}, None, "movements: 10 rows when sealed"),
    "a payment": (payments, {"payment_id": "pay-ann"}, {"created_ms": 1}, "payments: a row"),
    "a payment is gone": (payments, {"payment_id": "pay-ann"}, None, "payments: 3 rows"),
    "a refund's money": (tables.refunds, {}, {"amount_fen": 1}, "refunds: a row was changed, 1990"),
    "a refund is gone": (tables.refunds, {}, None, "refunds: 1 rows when sealed, 0 now"),
    "the terms": (drops, {"state": "closed"}, {"price_fen": 1}, "terms, or the line: changed"),
}


async def test_an_altered_row_is_found_by_looking_at_all(stage: Deployment, drop_id: str) -> None:
    for what, (table, which, values, said) in ROWS.items():
        # given a row of a sealed drop that hands have changed
        mine = [table.c[name] == value for name, value in which.items()]
        mine += _belongs(table, drop_id)
        change = delete(table) if values is None else update(table).values(values)
        async with _undone(stage):
            await _change(stage, change.where(*mine))
            # when all is looked at, then the drop is named, and what of it differs
            seal = (await _checks(stage, full=True))["seal"]
            assert not seal.ok, what
            assert seal.detail.startswith(f"{drop_id}: "), what
            assert said in seal.detail, what
            # and the fast look claims nothing of it: it says that it went by the seal
            seal = (await _checks(stage))["seal"]
            assert seal.ok, what
            assert "--full" in seal.detail
    assert await _red(stage, full=True) == set()


@asynccontextmanager
async def _undone(stage: Deployment) -> AsyncIterator[None]:
    """What is changed in SQL within the block is as it was behind it."""
    changed = (drops, books, orders, stock_ledger, payments, tables.refunds, tables.seals)
    async with database.snapshot(stage.sql) as connection:
        kept = [
            [dict(row) for row in (await connection.execute(select(table))).mappings()]
            for table in changed
        ]
    yield
    async with database.transaction(stage.sql) as connection:
        for table, rows in zip(changed, kept, strict=True):
            await connection.execute(delete(table))
            await connection.execute(insert(table), rows)


def _belongs(table: Table, drop_id: str) -> list[ColumnElement[bool]]:
    if "drop_id" in table.c:
        return [table.c.drop_id == drop_id]
    return [table.c.order_id.startswith(f"{drop_id}-")]


# What is changed by hand in what stands beside a seal: every audit finds it.
BESIDE: dict[str, Any] = {
    "books that still balance": update(books).values(
        available=books.c.available + 1, allotted=books.c.allotted + 1
    ),
    "books that do not balance": update(books).values(burned=books.c.burned + 1),
    "the books are gone": delete(books),
    "the drop is gone": delete(drops),
    "the drop is open again": update(drops).values(state="open"),
    "the drop never left Redis": update(drops).values(archived_ms=None),
    "the seal is gone": delete(tables.seals),
    "the seal says other books": update(tables.seals).values(sold=1),
    "the seal is of another time": update(tables.seals).values(sealed_ms=1),
}


@on_both_in_soak
async def test_what_does_not_fit_a_seal_is_found_at_once(stage: Deployment, drop_id: str) -> None:
    for what, statement in BESIDE.items():
        # given damage beside a seal
        async with _undone(stage):
            await _change(stage, statement.where(statement.table.c.drop_id == drop_id))
            # when audited, fast or full, then the seal does not fit
            for full in (False, True):
                seal = (await _checks(stage, full=full))["seal"]
                assert not seal.ok, what
                assert drop_id in seal.detail, what


async def test_a_seal_is_the_same_in_every_database(
    mariadb_url: str, tmp_path: Path, stage: Deployment, drop_id: str
) -> None:
    # given the rows of a sealed drop, copied to another database
    changed = (drops, books, orders, stock_ledger, payments, tables.refunds)
    other = database.connect(mariadb_url, tmp_path)
    await migrate(other)
    async with database.snapshot(stage.sql) as here, other.begin() as there:
        for table in changed:
            rows = [dict(row) for row in (await here.execute(select(table))).mappings()]
            await there.execute(insert(table), rows)
        # when the seal is made there, then it is the one that stands here
        (stored,) = await seals.stored_seals(here, "", 9)
        assert await seals.read_seals(there, [drop_id]) == {drop_id: stored}
    await other.dispose()


async def test_a_seal_that_was_forged_is_held_against_the_rows(
    stage: Deployment, drop_id: str
) -> None:
    # given a seal whose counts and hashes hands have changed
    for values in ({"orders": 3, "orders_hash": "0" * 32}, {"form": 99}):
        await _change(stage, update(tables.seals).values(values))
        # then only looking at all can find it
        assert "seal" not in await _red(stage)
        assert "seal" in await _red(stage, full=True)


async def test_an_order_that_was_put_in_is_found_by_looking_at_all(
    stage: Deployment, drop_id: str
) -> None:
    # given a unit of a sealed drop sold once more, and an order of no drop, both paid for
    async with database.transaction(stage.sql) as connection:
        row = (await connection.execute(select(orders).where(orders.c.buyer_id == "ann"))).one()
        for number, rid in enumerate((random_rid(drop_id), random_rid("0nowhere"))):
            values = {**row._mapping, "order_id": rid, "drop_id": rid[:-17], "buyer_id": "eve"}
            await connection.execute(insert(orders), [values])
            paid = {"payment_id": f"p-{number}", "order_id": rid, "amount_fen": PRICE_FEN}
            paid |= {"result": "sold", "created_ms": 1}
            await connection.execute(insert(payments), [paid])
    # then the seal, the books and the order without a drop say so
    checks = await _checks(stage, full=True)
    assert {name for name, check in checks.items() if not check.ok} == {"I6", "seal"}
    assert "it names 0nowhere" in checks["I6"].detail
    assert f"{drop_id}: its orders are 0 held and 3 sold" in checks["I6"].detail


@on_both_in_soak
async def test_a_refund_goes_its_way(stage: Deployment, drop_id: str) -> None:
    # given a refund of a sealed drop, when the gateway takes it on and it arrives
    async with database.transaction(stage.sql) as connection:
        (found,) = await refunds.due_refunds(connection, 9_999_999_999_999, 10)
        assert await refunds.claim_refund(connection, found, 1, 1)
        assert await refunds.move_refund(connection, found.refund_no, "refunded", 2)
    # then the seal covers it as before
    assert await _sealed(stage) == [drop_id]
    assert await _red(stage, full=True) == set()


@on_both_in_soak
async def test_late_money_breaks_the_seal_and_is_sealed(stage: Deployment, drop_id: str) -> None:
    # given money for a unit of a sealed drop that was given back
    assert await _take(stage, await _rid_of(stage, "cem"), "late") == "stray"
    # then the drop is not sealed, and the fast audit looks at its rows
    assert await _sealed(stage) == []
    assert await _red(stage) == set()
    assert (await _checks(stage))["I8"].detail.startswith("4 payments, 2 refunds")
    # and when the keeper comes again, it is sealed with that money
    assert await archive(stage) == 1
    assert await _sealed(stage) == [drop_id]
    assert await _red(stage, full=True) == set()


@on_both_in_soak
async def test_a_refund_by_an_operator_breaks_the_seal(stage: Deployment, drop_id: str) -> None:
    # given a sold order of a sealed drop, when an operator gives the money back
    await Refunds(stage).order(await _rid_of(stage, "ann"), "broken on arrival")
    # then the drop is looked at again, and sealed again
    assert await _sealed(stage) == []
    assert await _red(stage) == set()
    assert await archive(stage) == 1
    assert await _red(stage, full=True) == set()


async def test_money_without_its_refund_is_found_although_the_drop_was_sealed(
    stage: Deployment, drop_id: str
) -> None:
    # given late money of a sealed drop whose refund hands have removed
    await _take(stage, await _rid_of(stage, "cem"), "late")
    await _change(stage, delete(tables.refunds).where(tables.refunds.c.payment_id == "late"))
    # then the fast audit finds it, before and after the keeper, which seals no such drop
    assert await _red(stage) == {"I8"}
    assert await archive(stage) == 0
    assert await _red(stage) == {"I8"}


async def test_money_of_orders_that_nobody_knows(stage: Deployment, drop_id: str) -> None:
    # given money for an order of no drop at all, which goes back
    assert await _take(stage, random_rid("0nowhere"), "pay-nobody") == "stray"
    assert await _sealed(stage) == [drop_id]
    assert await _red(stage) == set()
    # when its refund is another than its payment, then every audit finds it
    mine = tables.refunds.c.payment_id == "pay-nobody"
    await _change(stage, update(tables.refunds).where(mine).values(amount_fen=1))
    assert await _red(stage) == {"I8"}


@pytest.mark.parametrize("change", [{"state": "released"}, None])
async def test_a_drop_with_wrong_rows_is_not_sealed(
    stage: Deployment, change: dict[str, Any] | None
) -> None:
    # given two finished drops, and a row of one that hands have changed or removed
    drop_ids = [await open_drop(stage) for _ in range(2)]
    for number, drop_id in enumerate(drop_ids):
        (rid,) = await reserve(stage, drop_id, ["ann"])
        await stage.engine.confirm(rid, f"pay-{number}", PRICE_FEN)
        await stage.engine.close_drop(drop_id)
    await write(stage)
    wrong = (
        delete(payments).where(payments.c.payment_id == "pay-0")
        if change is None
        else update(orders).where(orders.c.drop_id == drop_ids[0]).values(change)
    )
    await _change(stage, wrong)
    red = await _red(stage)
    assert red >= {"I8"}
    # when the keeper comes, then it seals the other one, and the audit stays red for this one
    archivers = [at_once(stage, number) for number in range(PARTITIONS)]
    assert sum([await one.archive() for one in archivers]) == 1
    assert await _sealed(stage) == [drop_ids[1]]
    assert await stage.engine.snapshot(drop_ids[0])
    assert await _red(stage) == red
    # and the next sweep does not read its rows again
    assert sum([len(await one._candidates()) for one in archivers]) == 0


@on_both_in_soak
async def test_money_between_the_look_and_the_seal(
    stage: Deployment, drop_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a drop that is sealed again, and late money that comes when its rows have been read
    await _change(stage, update(books).values(seals.UNSEALED))
    rid = await _rid_of(stage, "dan")
    leave = archiving.Archiver._leave_redis

    async def late(self: archiving.Archiver, *args: Any) -> Any:
        left = await leave(self, *args)
        assert await _take(stage, rid, "late") == "stray"
        return left

    with monkeypatch.context() as patch:
        patch.setattr(archiving.Archiver, "_leave_redis", late)
        # then this seal is not written: it would not cover that money
        assert await archive(stage) == 0
    assert await _sealed(stage) == []
    assert await archive(stage) == 1
    assert await _red(stage, full=True) == set()


async def test_a_keeper_that_dies_before_it_seals_is_followed_by_another(
    stage: Deployment, drop_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a keeper that took a drop out of Redis and died before it wrote the seal
    other = await open_drop(stage)
    await stage.engine.close_drop(other)
    await write(stage)
    with monkeypatch.context() as patch:

        async def dies(*args: Any) -> bool:
            raise KeyboardInterrupt

        patch.setattr(seals, "put", dies)
        with pytest.raises(KeyboardInterrupt):
            await archive(stage)
    # then the books hold, and the next one seals it
    assert await stage.engine.snapshot(other) is None
    assert await _red(stage) == set()
    assert await archive(stage) == 1
    assert sorted(await _sealed(stage)) == sorted([drop_id, other])


async def test_of_two_keepers_one_seals(
    stage: Deployment, drop_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a keeper that claims a drop while another one is about to seal it
    await _change(stage, update(books).values(seals.UNSEALED))
    leave = archiving.Archiver._leave_redis

    async def second(self: archiving.Archiver, *args: Any) -> Any:
        left = await leave(self, *args)
        async with database.transaction(stage.sql) as connection:
            await seals.claim(connection, drop_id, "another")
        return left

    monkeypatch.setattr(archiving.Archiver, "_leave_redis", second)
    assert await archive(stage) == 0
    assert await _sealed(stage) == []


async def test_drops_archived_before_there_were_seals(
    stage: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given drops as an earlier version left them: out of Redis, without a seal
    drop_ids = [await open_drop(stage) for _ in range(3)]
    for drop_id in drop_ids:
        await stage.engine.close_drop(drop_id)
    await write(stage)
    await archive(stage)
    await _change(stage, delete(tables.seals), update(books).values(seals.UNSEALED))
    # then they are audited like any other, and sealed one after the other, so many a sweep
    assert await _red(stage) == set()
    monkeypatch.setattr(archiving, "AT_ONCE", 1)
    archiver = at_once(stage, stage.keyspace.partition_of(drop_ids[0]))
    here = [name for name in drop_ids if stage.keyspace.partition_of(name) == archiver._partition]
    assert [await archiver.archive() for _ in here] == [1] * len(here)
    assert sorted(await _sealed(stage)) == sorted(here)
    assert await archiver.archive() == 0


@on_both_in_soak
async def test_a_log_entry_breaks_the_seal(stage: Deployment) -> None:
    # given a sealed drop that is in Redis again: a replica that missed the archiving
    drop_id = await open_drop(stage)
    (rid,) = await reserve(stage, drop_id, ["ann"])
    await stage.engine.release(rid, "ann")
    await stage.engine.close_drop(drop_id)
    await write(stage)
    keys = stage.keyspace.of_drop(drop_id)
    names = (keys.drop, keys.reservations, keys.buyers)
    kept: dict[str, Any] = {key: await stage.redis.dump(key) for key in names}
    assert await archive(stage) == 1
    for key, value in kept.items():
        await stage.redis.restore(key, 0, value)
    # when late money is taken for goods there, and comes to SQL
    outcome = await stage.engine.confirm(rid, "late", PRICE_FEN)
    assert outcome.code.value == "LATE_SOLD"
    await write(stage)
    # then the drop is looked at like any other, leaves Redis, and is sealed with its sale
    assert await _sealed(stage) == []
    assert await _red(stage) == set()
    assert await archive(stage) == 1
    assert await stage.engine.snapshot(drop_id) is None
    assert await _red(stage, full=True) == set()


async def test_a_promotion_takes_the_last_drops_out_once_more(
    stage: Deployment, drop_id: str
) -> None:
    # given a drop that left Redis a moment ago, and one that left it long ago
    other = await open_drop(stage)
    await stage.engine.close_drop(other)
    await write(stage)
    await archive(stage)
    await _change(stage, update(drops).where(drops.c.drop_id == drop_id).values(archived_ms=5))
    # when a replica is promoted, then the first is archived and sealed again, the second is not
    async with database.transaction(stage.sql) as connection:
        for partition in range(PARTITIONS):
            await seals.unseal_recent(connection, partition, 1_000)
    assert await _sealed(stage) == [drop_id]
    assert await archive(stage) == 1
    assert await _red(stage, full=True) == set()


async def test_nothing_that_is_asked_often_reads_a_whole_table(
    stage: Deployment, drop_id: str
) -> None:
    # given what an audit, a promotion, a keeper and the lists ask for
    asked: list[tuple[str, Any]] = []

    def note(_c: Any, _u: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    event.listen(stage.sql.sync_engine, "before_cursor_execute", note)
    await audit(stage)
    await archive(stage)
    async with database.snapshot(stage.sql) as connection:
        await take_instant(stage, stage.redis, connection, 0)
        await catalogue.list_campaigns(connection, closing_after_ms=1, after=(-1, ""), limit=9)
        for state in (None, "failed"):
            await list_refunds(connection, state, before=None, limit=9)
            await list_refunds(connection, state, before=(5, "r"), limit=9)
    event.remove(stage.sql.sync_engine, "before_cursor_execute", note)
    # when SQLite says how it finds the rows, then it never goes through a table that grows
    scans = []
    async with database.snapshot(stage.sql) as connection:
        for statement, parameters in asked:
            # Seals and the books beside them are read whole: a row for a drop, none for an order.
            whole = "LEFT OUTER JOIN seals" in statement or "sum(books.sealed_ms)" in statement
            if whole or not statement.startswith("SELECT"):
                continue
            plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            scans += [(row.detail, statement) for row in plan if _GROWS.match(str(row.detail))]
    assert scans == []
    assert len(asked) > 30


# Through an index in its order is no harm where a LIMIT ends it.
_GROWS = re.compile(
    r"SCAN (drops|books|orders|stock_ledger|payments|refunds|campaigns)(?! USING INDEX refunds_by)"
)
