"""What operators do with drops, without HTTP, on each database."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from livesale.catalogue import store as catalogue
from livesale.catalogue.service import Campaigns, NewCampaign
from livesale.catalogue.skus.service import NewSku, Skus
from livesale.catalogue.store import Drop
from livesale.database.engine import transaction
from livesale.ledger.writer import Writer
from livesale.resources import Deployment
from livesale.sales.drops import Drops, NewDrop
from livesale.validation.refusals import DropRefused, InvalidField, PartitionClosed, Unknown
from stock.books import Books
from stock.errors import OutcomeUnknown
from stock.model import Attempt, OpenCode
from tests.livesale.stage import Crowd, running, until_written

FAR_MS = 4_000_000_000_000


async def draft(stage: Deployment, **changes: Any) -> Drop:
    makers = Campaigns(stage)
    sku = await Skus(stage).create(NewSku("茶 🍵", 100))
    campaign = await makers.create(NewCampaign("Now", 0, FAR_MS))
    terms = {"price_fen": 1_990, "allotted": 10, "buyer_limit": 3, "hold_ms": 60_000} | changes
    return await Drops(stage).create(NewDrop(campaign.campaign_id, sku.sku_id, **terms))


async def test_a_drop_is_what_was_written(stage: Deployment) -> None:
    drop = await draft(stage, opens_ms=1_500_000_000_000, expired_limit=0)
    found = await Drops(stage).find(drop.drop_id)
    assert found == drop
    assert (found.title, found.opens_ms, found.closes_ms) == ("茶 🍵", 1_500_000_000_000, FAR_MS)
    assert (found.state, found.expired_limit) == ("draft", 0)


async def test_the_newest_drops_come_first(stage: Deployment) -> None:
    made = [await draft(stage) for _ in range(3)]
    drops = Drops(stage)
    first = await drops.list(limit=2)
    rest = await drops.list(before=first[-1].drop_id)
    assert first + rest == sorted(made, key=lambda drop: drop.drop_id, reverse=True)


async def test_nothing_is_made_of_nothing(stage: Deployment) -> None:
    drop = await draft(stage)
    drops = Drops(stage)
    for field in ("campaign_id", "sku_id"):
        ids = {"campaign_id": drop.campaign_id, "sku_id": drop.sku_id} | {field: "nosuch"}
        with pytest.raises(InvalidField) as refused:
            await drops.create(NewDrop(**ids, price_fen=1, allotted=1, buyer_limit=1, hold_ms=1))
        assert refused.value.members == {"field": field}
    assert await drops.list() == [drop]
    with pytest.raises(Unknown):
        await drops.find("nosuch")


async def test_a_crash_between_sql_and_redis_is_healed_by_opening_again(
    stage: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: SQL said `opening`, then the process died
    drop = await draft(stage)

    async def die(*_: Any) -> OpenCode:
        raise OutcomeUnknown("the process died")

    with monkeypatch.context() as patch:
        patch.setattr(stage.engine, "open_drop", die)
        with pytest.raises(OutcomeUnknown):
            await Drops(stage).open(drop.drop_id)
    assert (await Drops(stage).find(drop.drop_id)).state == "opening"
    assert await stage.engine.snapshot(drop.drop_id) is None
    # when
    opened = await Drops(stage).open(drop.drop_id)
    # then
    assert opened.state == "open"
    snapshot = await stage.engine.snapshot(drop.drop_id)
    assert snapshot is not None
    assert snapshot.terms == drop.terms


async def test_an_answer_lost_on_the_way_back_is_a_replay(
    stage: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: Redis opened it, sold some, and the answer was lost
    drop = await draft(stage)
    open_drop = stage.engine.open_drop

    async def lose(*terms: Any) -> OpenCode:
        await open_drop(*terms)
        raise OutcomeUnknown("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(stage.engine, "open_drop", lose)
        with pytest.raises(OutcomeUnknown):
            await Drops(stage).open(drop.drop_id)
    rid = f"{drop.drop_id}-0123456789abcdef"
    await stage.engine.reserve(drop.drop_id, [Attempt(rid, "ann", 2)])
    # when
    await Drops(stage).open(drop.drop_id)
    # then: nothing came back
    books = await Drops(stage).books(drop.drop_id)
    assert books.redis == Books(allotted=10, available=8, held=2)
    assert books.ok


async def test_many_who_open_at_once_open_once(stage: Deployment) -> None:
    drop = await draft(stage)
    opened = await asyncio.gather(*(Drops(stage).open(drop.drop_id) for _ in range(8)))
    assert {one.state for one in opened} == {"open"}
    log = await stage.redis.xrange(stage.keyspace.log(stage.keyspace.partition_of(drop.drop_id)))
    assert [fields["k"] for _, fields in log] == ["open"]


async def test_who_asks_just_before_another_opens_is_not_told_that_stock_is_lost(
    stage: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: Redis does not know the drop yet; before SQL is asked, it was opened and written
    drop = await draft(stage)
    drops = Drops(stage)
    find = drops.find

    async def open_first(drop_id: str) -> Drop:
        monkeypatch.undo()
        async with running(Writer(stage)):
            await Drops(stage).open(drop_id)
            await until_written(stage)
        return await find(drop_id)

    steps: list[Callable[[], Awaitable[Any]]] = [
        lambda: drops.pause(drop.drop_id),
        lambda: drops.adjust(drop.drop_id, 1, "found"),
    ]
    for step in steps:
        drop = await draft(stage)
        monkeypatch.setattr(drops, "find", open_first)
        # when
        with pytest.raises(DropRefused) as refused:
            await step()
        # then
        assert refused.value.code == "not_opened"
        assert (await drops.find(drop.drop_id)).state == "open"


async def test_a_redis_that_lost_an_open_drop_is_not_said_to_have_it(stage: Deployment) -> None:
    drop = await draft(stage)
    drops = Drops(stage)
    async with running(Writer(stage)):
        await drops.open(drop.drop_id)
        await until_written(stage)
    assert (await drops.open(drop.drop_id)).state == "open"
    await stage.redis.flushall()
    for step in (drops.open, drops.pause, drops.close):
        with pytest.raises(PartitionClosed):
            await step(drop.drop_id)


async def test_books_are_exact_at_every_instant_of_a_busy_sale(stage: Deployment) -> None:
    # given: a crowd, a writer that trims as it goes, and somebody who looks all the time
    drop = await draft(stage, allotted=200, buyer_limit=100, expired_limit=0)
    drops = Drops(stage)
    await drops.open(drop.drop_id)
    crowd = Crowd(stage, [drop.drop_id], seed=11)
    seen = []

    async def look(done: asyncio.Event) -> None:
        while not done.is_set():
            seen.append(await drops.books(drop.drop_id))

    done = asyncio.Event()
    async with running(Writer(stage)):
        watcher = asyncio.create_task(look(done))
        await crowd.act(150)
        done.set()
        await watcher
        await until_written(stage)
    # then
    assert len(seen) > 3
    assert all(books.ok for books in seen), [books for books in seen if not books.ok]
    final = await drops.books(drop.drop_id)
    assert (final.lag_entries, final.ok, final.sql) == (0, True, final.redis)


async def test_what_is_closed_stays_closed(stage: Deployment) -> None:
    drop = await draft(stage)
    drops = Drops(stage)
    await drops.open(drop.drop_id)
    assert (await drops.close(drop.drop_id)).state == "closed"
    assert (await drops.close(drop.drop_id)).state == "closed"
    for step in (drops.pause, drops.resume):
        with pytest.raises(DropRefused) as refused:
            await step(drop.drop_id)
        assert refused.value.code == "drop_closed"
    async with running(Writer(stage)):
        await until_written(stage)
    with pytest.raises(DropRefused) as refused:
        await drops.open(drop.drop_id)
    assert refused.value.code == "drop_closed"


async def test_a_state_moves_only_from_where_it_is(stage: Deployment) -> None:
    drop = await draft(stage)
    async with transaction(stage.sql) as connection:
        moved = [
            await catalogue.move_drop(connection, drop.drop_id, before, after)
            for before, after in (
                ("opening", "open"),
                ("draft", "opening"),
                ("draft", "opening"),
                ("opening", "opening"),
            )
        ]
    assert moved[:3] == [False, True, False]
    assert (await Drops(stage).find(drop.drop_id)).state == "opening"
