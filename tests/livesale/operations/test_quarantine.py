"""What was set aside wrongly is put in its place exactly once, and the audit agrees afterwards."""

import asyncio
import json
import os
import random
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import insert, select, update

from livesale.database import engine as database
from livesale.errors import Refused
from livesale.ledger import tail
from livesale.ledger.quarantine import FITTED_IN
from livesale.ledger.tables import log_offsets, quarantine
from livesale.ledger.writer import Writer
from livesale.operations.audit import audit
from livesale.operations.quarantine import (
    Place,
    Result,
    UnknownEntry,
    all_aside,
    dismiss,
    parse_place,
    put_aside,
    replay,
)
from livesale.resources import Deployment
from stock.entries import LogEntry, decode
from stock.errors import LogCorrupt
from stock.ids import new_id
from stock.log import LogReader
from tests.forks import forks, run_livesale
from tests.livesale.comparison import expected, fold_of, found, ledger_sums
from tests.livesale.stage import (
    PARTITIONS,
    PRICE_FEN,
    Crowd,
    on_both,
    open_drop,
    read_sql,
    reserve,
    running,
    until_written,
    with_writer,
)

Choice = Callable[[Mapping[str, str]], bool]


async def write(stage: Deployment, monkeypatch: pytest.MonkeyPatch, defect: Choice | None) -> None:
    """Let a writer move the log into SQL that takes the chosen entries for corrupt."""

    def blind(entry_id: str, fields: Mapping[str, str]) -> LogEntry:
        if defect and defect(fields):
            raise LogCorrupt(f"{entry_id}: a defect of this reader")
        return decode(entry_id, fields)

    with monkeypatch.context() as patch:
        patch.setattr(tail, "decode", blind)
        async with running(Writer(stage)):
            await until_written(stage)


async def broken(stage: Deployment) -> list[str]:
    """What the audit finds. No keeper runs, so holds may be late."""
    return [check.detail for check in await audit(stage) if not check.ok]


async def states_of(stage: Deployment) -> dict[str, str]:
    query = select(quarantine.c.log_id, quarantine.c.state)
    async with database.transaction(stage.sql, write=False) as connection:
        return {row.log_id: row.state for row in await connection.execute(query)}


async def is_whole(stage: Deployment) -> None:
    """SQL is what the whole log adds up to, row by row, and the promises hold."""
    fold = await fold_of(stage)
    assert await found(stage) == expected(fold)
    assert await ledger_sums(stage) == fold.books
    assert await broken(stage) == []


FOREVER_MS = 3_600_000  # nothing is trimmed, so that the log can be folded from its start


@on_both
async def test_all_of_it_comes_into_its_place(
    stage: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a sale of which a defect of the writer put every fourth entry aside, an opening too
    stage = with_writer(stage, trim_every_ms=FOREVER_MS)
    drop_ids = [await open_drop(stage) for _ in range(3)]
    crowd = Crowd(stage, drop_ids)
    chance = random.Random(1)
    await crowd.act(40)
    await stage.engine.pause_drop(drop_ids[0])
    await stage.engine.resume_drop(drop_ids[0])
    await crowd.act(30)
    await stage.engine.close_drop(drop_ids[1])
    await write(
        stage,
        monkeypatch,
        lambda fields: (
            fields["d"] == drop_ids[2] if fields["k"] == "open" else chance.random() < 0.25
        ),
    )
    places = await all_aside(stage)
    assert 20 < len(places) < 70
    assert await broken(stage)
    # when it is looked at what would fit, then nothing has changed
    before = await read_sql(stage)
    tried = await replay(stage, places, dry_run=True)
    assert {outcome.result for outcome in tried} == {Result.FITS}
    assert await read_sql(stage) == before
    # and when all of it is replayed, twice at once, then each has its effect once
    both = await asyncio.gather(replay(stage, places), replay(stage, places[::-1]))
    results = [outcome.result for outcomes in both for outcome in outcomes]
    assert results.count(Result.REPLAYED) == results.count(Result.ALREADY) == len(places)
    await is_whole(stage)
    # and the sale goes on, with nothing put aside
    await crowd.act(20)
    await stage.engine.pause_drop(drop_ids[2])
    await write(stage, monkeypatch, None)
    assert await all_aside(stage) == []
    await is_whole(stage)


async def test_a_writer_that_runs_notices_that_books_fit_again(
    stage: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a writer that knows that SQL's books are off, as an entry was put aside
    stage = with_writer(stage, trim_every_ms=FOREVER_MS)
    drop_id = await open_drop(stage)
    await write(stage, monkeypatch, None)
    await reserve(stage, drop_id, ["ann"])
    await write(stage, monkeypatch, lambda _fields: True)
    async with running(Writer(stage)):
        await reserve(stage, drop_id, ["bob"])
        await until_written(stage)
        # when it is replayed beside it, and what follows is one that nothing in Redis bears out
        (outcome,) = await replay(stage, await all_aside(stage))
        assert (outcome.result, outcome.kind, outcome.drop_id) == ("replayed", "reserve", drop_id)
        await stage.engine.pause_drop(drop_id)
        await stage.engine.resume_drop(drop_id)
        await until_written(stage)
    # then nothing was put aside
    assert await all_aside(stage) == []
    await is_whole(stage)


async def test_an_adjustment_behind_a_lost_entry_is_not_lost(
    stage: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given SQL whose books are off, and a writer that does not know it yet
    stage = with_writer(stage, trim_every_ms=FOREVER_MS)
    drop_id = await open_drop(stage)
    await write(stage, monkeypatch, None)
    await reserve(stage, drop_id, ["ann"])
    await write(stage, monkeypatch, lambda _fields: True)
    lost = await all_aside(stage)
    # when the drop is restocked, and somebody copies that entry
    key = stage.keyspace.of_drop(drop_id).log
    await stage.engine.adjust_drop(drop_id, new_id(), 5, "a box")
    copy = (await stage.redis.xrevrange(key, count=1))[0][1]
    copied = str(await stage.redis.xadd(key, copy))
    await write(stage, monkeypatch, None)
    # then the true one is taken, and the copy is put aside, and stays there
    assert await all_aside(stage) == [*lost, parse_place(f"{lost[0].partition}:{copied}")]
    refused = (await replay(stage, await all_aside(stage)))[1]
    assert (refused.result, "SQL already has the adjustment" in refused.reason) == ("refused", True)
    fold = await fold_of(stage, without={copied})
    assert await found(stage) == expected(fold)
    assert await broken(stage) == []


async def _aside(stage: Deployment, place: Place, payload: object, reason: str = "test") -> None:
    row = {
        "partition": place.partition,
        "log_id": place.log_id,
        "reason": reason,
        "payload": payload if isinstance(payload, str) else json.dumps(payload),
        "created_ms": 1,
    }
    async with database.transaction(stage.sql) as connection:
        await connection.execute(insert(quarantine), [row])


async def test_what_does_not_fit_is_refused_with_the_reason(
    stage: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a reservation and its payment, both put aside
    stage = with_writer(stage, trim_every_ms=FOREVER_MS)
    drop_id = await open_drop(stage)
    partition = stage.keyspace.partition_of(drop_id)
    await write(stage, monkeypatch, None)
    (rid,) = await reserve(stage, drop_id, ["ann"])
    await stage.engine.confirm(rid, "pay-1", PRICE_FEN)
    await write(stage, monkeypatch, lambda _fields: True)
    reserved, paid = await all_aside(stage)
    entries = dict(await LogReader(stage.redis, stage.keyspace.log(partition)).between("0-0", "+"))
    good = dict(entries[reserved.log_id])

    def place(number: int) -> Place:
        return Place(partition, number, 0)

    # and others that must never be replayed
    await _aside(stage, place(1), {"x": "y"})
    await _aside(stage, place(2), good | {"v": "2"})
    await _aside(stage, place(3), "{half of a payl")
    await _aside(stage, place(4), good, reason=FITTED_IN)
    await _aside(stage, place(5), good | {"r": f"{rid[:-1]}x|eve|1"})
    await _aside(stage, place(6), good | {"d": "nosuch", "r": ""} | {"k": "pause"})
    await _aside(stage, place(7), good)
    await dismiss(stage, place(7), "a copy")
    await _aside(stage, place(10**15), good)
    reasons = {
        place(1): "no version can have written it",
        place(2): "replay it with the version that wrote it",
        place(3): "only a part of it was stored",
        place(4): "a recovery has already repeated the parts that fit",
        place(5): "Redis does not confirm it",
        place(6): "field 'p'",
        place(7): "it was dismissed: a copy",
        place(10**15): "the writer will reach the entry",
    }
    before = await read_sql(stage)
    for each, reason in reasons.items():
        (outcome,) = await replay(stage, [each])
        assert (outcome.result, reason in outcome.reason) == (Result.REFUSED, True), outcome
    # and nothing is done at all where one is not in quarantine, nor out of order
    with pytest.raises(UnknownEntry, match="not in quarantine"):
        await replay(stage, [reserved, place(99)])
    (outcome,) = await replay(stage, [paid])
    assert "1 orders were held to become sold" in outcome.reason
    # nor by a process of an old epoch
    await _set_epoch(stage, partition, 2)
    (outcome,) = await replay(stage, [reserved])
    assert "the epoch in SQL is 2, this process has 1" in outcome.reason
    await _set_epoch(stage, partition, 1)
    assert await read_sql(stage) == before
    # when they go in order, then both are done; and then a copy of the first is refused by SQL
    first, second = await replay(stage, [paid, reserved])
    assert (first.kind, second.kind, first.result) == ("reserve", "confirm", Result.REPLAYED)
    await _aside(stage, place(8), good)
    (outcome,) = await replay(stage, [place(8)])
    assert "SQL refuses it" in outcome.reason
    await is_whole(stage)


async def _set_epoch(stage: Deployment, partition: int, epoch: int) -> None:
    async with database.transaction(stage.sql) as connection:
        await connection.execute(
            update(log_offsets).where(log_offsets.c.partition == partition).values(epoch=epoch)
        )


async def test_a_change_of_state_is_not_replayed_over_a_later_one(
    stage: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a pause and its end that were put aside, and another pause that was not
    drop_id = await open_drop(stage)
    await write(stage, monkeypatch, None)
    await stage.engine.pause_drop(drop_id)
    await stage.engine.resume_drop(drop_id)
    await write(stage, monkeypatch, lambda _fields: True)
    await stage.engine.pause_drop(drop_id)
    await write(stage, monkeypatch, None)
    # when they are replayed, then neither is done: the drop is paused on both sides
    outcomes = await replay(stage, await all_aside(stage))
    assert [outcome.result for outcome in outcomes] == [Result.REFUSED] * 2
    assert "pause cannot follow that" in outcomes[0].reason
    assert "the drop would be open in SQL, but it is paused in Redis" in outcomes[1].reason
    assert await broken(stage) == []


async def test_hands_are_set_aside_by_hand(stage: Deployment, redis: Redis) -> None:
    # given an entry that a later version may have written, between two of ours
    stage = with_writer(stage, trim_every_ms=FOREVER_MS)
    drop_id = await open_drop(stage)
    partition = stage.keyspace.partition_of(drop_id)
    key = stage.keyspace.log(partition)
    forged = parse_place(f"{partition}:{await redis.xadd(key, {'v': '1', 'k': 'teleport'})}")
    rids = await reserve(stage, drop_id, ["ann"])
    # when others are named, then nothing is done
    opened, _, reserved = [str(entry[0]) for entry in await redis.xrange(key)]
    for log_id in (opened, reserved, "99999999999999-0"):
        with pytest.raises(Refused):
            await put_aside(stage, parse_place(f"{partition}:{log_id}"), "by hand")
    with pytest.raises(Refused, match="the writer waits before"):
        await put_aside(stage, forged, "by hand")
    async with running(Writer(stage)):
        # and when the writer waits before it, then the writer goes on behind it
        for _ in range(1_000):
            try:
                assert "teleport" in await put_aside(stage, forged, "by hand")
                break
            except Refused:
                await asyncio.sleep(0.01)
        await until_written(stage)
    assert await states_of(stage) == {forged.log_id: "aside"}
    assert [row[0] for row in (await read_sql(stage))["orders"]] == rids
    # and what is dismissed is spoken of no more
    await dismiss(stage, forged, "Eve's hands")
    with pytest.raises(UnknownEntry, match="dismissed"):
        await dismiss(stage, forged, "again")
    assert (await audit(stage))[-1].detail == "none"


def test_a_place_is_read_as_it_is_written() -> None:
    assert str(parse_place("p3:17-20")) == "3:17-20"
    for text in ("17-20", "3:17", "3:17-", ":1-1", "x:1-1", "3:1-1 "):
        with pytest.raises(ValueError, match="is not an entry"):
            parse_place(text)


async def test_kill_9_at_any_moment(stage: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    # given many entries that were put aside
    stage = with_writer(stage, trim_every_ms=FOREVER_MS)
    drop_ids = [await open_drop(stage), await open_drop(stage)]
    await write(stage, monkeypatch, None)
    await Crowd(stage, drop_ids).act(60)
    await write(stage, monkeypatch, lambda _fields: True)
    count = len(await all_aside(stage))
    # when the command is killed in the middle, and run again
    command, env = _command(stage)
    with tempfile.TemporaryFile() as out:
        process = forks().start(command, env, out, out)
        while list((await states_of(stage)).values()).count("replayed") < count // 3:
            assert process.poll() is None
        process.kill()
        process.wait()
    left = len(await all_aside(stage))
    assert 0 < left < count
    done = await asyncio.to_thread(run_livesale, *command, env=env)
    # then it did the rest, and says so
    outcomes: list[dict[str, Any]] = json.loads(done.stdout)
    assert [outcome["result"] for outcome in outcomes] == ["replayed"] * left
    assert done.returncode == 0
    await is_whole(stage)
    # and what was done is not done again
    (outcome,) = await replay(stage, [parse_place(outcomes[0]["entry"])])
    assert outcome.result is Result.ALREADY


def _command(stage: Deployment) -> tuple[tuple[str, ...], dict[str, str]]:
    """Its words and its environment."""
    words = ("quarantine", "replay", "--json", "--all")
    words += ("--redis", stage.redis_url, "--sql", str(stage.settings.sql.url))
    return words, os.environ | {"LIVESALE__STOCK__PARTITIONS": str(PARTITIONS)}
