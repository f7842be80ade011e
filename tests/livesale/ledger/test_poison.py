"""Entries that no script would have written are put aside with their reason; the rest goes on."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec.structs import astuple
from prometheus_client import CollectorRegistry

from livesale.ledger.tables import payments
from livesale.ledger.writer import Writer
from livesale.operations.audit import audit
from livesale.resources import Deployment
from stock.ids import new_id, random_rid
from stock.log import LogReader
from tests.livesale.comparison import expected, fold_of, found, ledger_sums
from tests.livesale.stage import (
    PRICE_FEN,
    open_drop,
    read_sql,
    reserve,
    running,
    until_healthy,
    until_written,
    with_writer,
)
from tests.waiting import until

FOREVER_MS = 3_600_000
Fields = dict[Any, Any]


def _entry(kind: str, drop_id: str, books: str, rows: str, **more: str) -> Fields:
    return {"v": "1", "k": kind, "e": "1", "d": drop_id, "t": "5", "b": books, "r": rows} | more


async def _moved(stage: Deployment, drop_id: str, *deltas: int) -> str:
    """Books that do follow from Redis's, by these deltas of available, held, sold and burned."""
    snapshot = await stage.engine.snapshot(drop_id)
    assert snapshot is not None
    _, *counters = astuple(snapshot.books)
    after = [counter + delta for counter, delta in zip(counters, deltas, strict=True)]
    return "|".join(str(number) for number in (sum(after), *after))


async def garbage(stage: Deployment, drop_id: str) -> Fields:
    return {"x": "y"}


async def bytes_that_are_no_text(stage: Deployment, drop_id: str) -> Fields:
    return {b"v": b"\xff\xfe", b"\x80": b"\x00"}


async def a_version_that_is_no_number(stage: Deployment, drop_id: str) -> Fields:
    return _entry("pause", drop_id, await _moved(stage, drop_id, 0, 0, 0, 0), "") | {"v": "one"}


async def a_kind_that_is_no_word(stage: Deployment, drop_id: str) -> Fields:
    return _entry("STEAL!", drop_id, await _moved(stage, drop_id, -1, 0, 1, 0), "")


async def books_out_of_balance(stage: Deployment, drop_id: str) -> Fields:
    return _entry("pause", drop_id, "100|1|1|1|1", "")


async def a_drop_nobody_knows(stage: Deployment, drop_id: str) -> Fields:
    return _entry("open", new_id(), "7|7|0|0|0", "1|2|3|4|5|7|0")


async def a_reservation_of_a_drop_nobody_knows(stage: Deployment, drop_id: str) -> Fields:
    other = new_id()
    row = f"{random_rid(other)}|eve|1"
    return _entry("reserve", other, "7|6|1|0|0", row, p="1990", x="99")


async def a_copy_of_a_reservation(stage: Deployment, drop_id: str) -> Fields:
    log = LogReader(stage.redis, stage.keyspace.log(stage.keyspace.partition_of(drop_id)))
    entries = await log.between("0-0", "+")
    return dict(next(fields for _, fields in entries if fields["k"] == "reserve"))


async def a_copy_with_books_that_follow(stage: Deployment, drop_id: str) -> Fields:
    copy = await a_copy_of_a_reservation(stage, drop_id)
    return copy | {"b": await _moved(stage, drop_id, -2, 2, 0, 0)}


async def a_false_reservation(stage: Deployment, drop_id: str) -> Fields:
    row = f"{random_rid(drop_id)}|eve|1"
    return _entry("reserve", drop_id, "100|50|50|0|0", row, p="1990", x="99")


async def a_sale_without_a_reservation(stage: Deployment, drop_id: str) -> Fields:
    row = f"{random_rid(drop_id)}|eve|1|h|SOLD|pay-eve|1990"
    return _entry("confirm", drop_id, await _moved(stage, drop_id, 0, -1, 1, 0), row)


async def an_end_of_what_is_sold(stage: Deployment, drop_id: str) -> Fields:
    (rid,) = await reserve(stage, drop_id, ["sold"])
    await stage.engine.confirm(rid, "pay-sold", PRICE_FEN)
    books = await _moved(stage, drop_id, 1, -1, 0, 0)
    return _entry("expire", drop_id, books, f"{rid}|sold|1")


async def a_refund_of_what_is_held(stage: Deployment, drop_id: str) -> Fields:
    (rid,) = await reserve(stage, drop_id, ["held"])
    books = await _moved(stage, drop_id, 0, 0, 0, 0)
    return _entry("confirm", drop_id, books, f"{rid}|held|1|s|REFUND_DUE|pay-held|1990")


async def a_payment_that_bought_something_else(stage: Deployment, drop_id: str) -> Fields:
    first, second = await reserve(stage, drop_id, ["one", "two"])
    await stage.engine.confirm(first, "pay-one", PRICE_FEN)
    books = await _moved(stage, drop_id, 0, -1, 1, 0)
    return _entry("confirm", drop_id, books, f"{second}|two|1|h|SOLD|pay-one|1990")


async def a_number_too_large_for_sql(stage: Deployment, drop_id: str) -> Fields:
    books = await _moved(stage, drop_id, -1, 1, 0, 0)
    row = f"{random_rid(drop_id)}|eve|1"
    return _entry("reserve", drop_id, books, row, p=str(10**30), x="99")


async def a_pause_of_a_paused_drop(stage: Deployment, drop_id: str) -> Fields:
    await stage.engine.pause_drop(drop_id)
    entry = _entry("pause", drop_id, await _moved(stage, drop_id, 0, 0, 0, 0), "")
    await stage.redis.xadd(
        stage.keyspace.log(stage.keyspace.partition_of(drop_id)), {"x": "between"}
    )
    await stage.engine.resume_drop(drop_id)
    await stage.engine.pause_drop(drop_id)
    return entry


async def a_reason_that_is_no_text(stage: Deployment, drop_id: str) -> Fields:
    books = await _moved(stage, drop_id, 1, 0, 0, 0)
    return {k.encode(): v.encode() for k, v in _entry("adjust", drop_id, books, "").items()} | {
        b"r": b"a1|1|\xff"
    }


POISONS: list[Callable[[Deployment, str], Awaitable[Fields]]] = [
    garbage,
    bytes_that_are_no_text,
    a_version_that_is_no_number,
    a_kind_that_is_no_word,
    books_out_of_balance,
    a_drop_nobody_knows,
    a_reservation_of_a_drop_nobody_knows,
    a_copy_of_a_reservation,
    a_copy_with_books_that_follow,
    a_false_reservation,
    a_sale_without_a_reservation,
    an_end_of_what_is_sold,
    a_refund_of_what_is_held,
    a_payment_that_bought_something_else,
    a_number_too_large_for_sql,
    a_pause_of_a_paused_drop,
    a_reason_that_is_no_text,
]


@pytest.mark.parametrize("poison", POISONS, ids=lambda make: make.__name__)
async def test_poison_is_put_aside(
    stage: Deployment, poison: Callable[[Deployment, str], Awaitable[Fields]]
) -> None:
    # given a log with a poisonous entry at its end
    stage = with_writer(stage, trim_every_ms=FOREVER_MS)
    drop_id = await open_drop(stage)
    await reserve(stage, drop_id, ["ann", "bob"])
    partition = stage.keyspace.partition_of(drop_id)
    fields = await poison(stage, drop_id)
    poison_id = await stage.redis.xadd(stage.keyspace.log(partition), fields)
    first, then = CollectorRegistry(), CollectorRegistry()
    async with running(Writer(stage, first)):
        await until_written(stage)  # also while it is the last entry
    await stage.engine.adjust_drop(drop_id, "good", 5, "found more")
    # when a writer has met it, and another one good ones after it
    writer = Writer(stage, then)
    async with running(writer):
        await until_written(stage)
        await stage.engine.adjust_drop(drop_id, "good too", 5, "found more")
        await until_written(stage)
        await until_healthy(writer)
    # then exactly what is bad is in quarantine, whole and with a reason
    rows = await read_sql(stage)
    bad = {row[1] for row in rows["quarantine"]}
    assert str(poison_id) in bad
    counted = [r.get_sample_value("livesale_writer_quarantined_total") for r in (first, then)]
    assert counted == [len(bad), 0]
    assert all(row[2] for row in rows["quarantine"])
    payload = next(row[3] for row in rows["quarantine"] if row[1] == str(poison_id))
    assert json.loads(payload) == {_text(name): _text(value) for name, value in fields.items()}
    # and SQL is what the good ones add up to, and the promises hold
    fold = await fold_of(stage, without=bad)
    assert await found(stage) == expected(fold)
    assert await ledger_sums(stage) == fold.books
    checks = await audit(stage)
    assert [check for check in checks if not check.ok] == []
    assert str(poison_id) in checks[-1].detail or len(bad) > 1


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return str(value)


async def test_orders_behind_a_lost_entry_are_not_lost(stage: Deployment) -> None:
    # given a true entry that is lost to SQL, with true ones behind it
    drop_id = await open_drop(stage)
    partition = stage.keyspace.partition_of(drop_id)
    log = LogReader(stage.redis, stage.keyspace.log(partition))
    async with running(Writer(stage)):
        await until_written(stage)
    await reserve(stage, drop_id, ["lost"])
    await stage.redis.xdel(log.key, (await log.info()).last_id)
    rids = await reserve(stage, drop_id, ["ann", "bob", "cid"])
    await stage.engine.confirm(rids[0], "pay-1", PRICE_FEN)
    await stage.engine.release(rids[1], "bob")
    registry = CollectorRegistry()
    # when the writer goes on
    writer = Writer(stage, registry)
    async with running(writer):
        await until_written(stage)
        more = await reserve(stage, drop_id, ["dan"])
        await until_written(stage)
        await until_healthy(writer)
    # then what was acknowledged is in SQL, SQL agrees with itself, and the gap is one finding
    rows = await read_sql(stage)
    states = {row[0]: row[6] for row in rows["orders"]}
    assert states == {rids[0]: "sold", rids[1]: "released", rids[2]: "held", more[0]: "held"}
    assert rows["quarantine"] == []
    assert rows["books"] == [(drop_id, 100, 97, 2, 1, 0)]
    assert registry.get_sample_value("livesale_writer_books_drifts_total") == 1
    red = {check.invariant for check in await audit(stage) if not check.ok}
    assert red == {"I3", "I4"}


async def test_a_fault_of_sql_is_never_the_fault_of_an_entry(stage: Deployment) -> None:
    # given a database in which a table is missing
    stage = with_writer(stage, trim_every_ms=FOREVER_MS)
    drop_id = await open_drop(stage)
    (rid,) = await reserve(stage, drop_id, ["ann"])
    await stage.engine.confirm(rid, "pay-1", PRICE_FEN)
    async with stage.sql.begin() as connection:
        await connection.run_sync(payments.drop)
    writer = Writer(stage)
    # when the writer works, then it waits
    async with running(writer):

        def waiting() -> bool:
            return not writer.healthy

        await until(waiting)
        # and when the table is back, it goes on
        async with stage.sql.begin() as connection:
            await connection.run_sync(payments.create)
        await until_written(stage)
    rows = await read_sql(stage)
    assert rows["quarantine"] == []
    assert [(row[0], row[1]) for row in rows["payments"]] == [("pay-1", rid)]
