"""Whatever is refused has changed nothing: each use case checks all before its first effect."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import select

from livesale.catalogue import tables as catalogue_tables
from livesale.catalogue.skus.service import NewSku
from livesale.database import engine as database
from livesale.database.tables import metadata
from livesale.resources import Deployment
from livesale.sales.drops import Drops, NewDrop
from livesale.validation.refusals import InvalidField
from tests.livesale.api import FAR_MS
from tests.livesale.rooms.conftest import Show
from tests.livesale.stage import open_stage
from tests.servers import Valkey

Case = Callable[[Show], Awaitable[tuple[str, str, Any]]]  # method, path and body of a call

BAG = {"title": "Luck", "places": 2, "countdown_s": 60}


@pytest.fixture
async def stage(
    redis: Redis, redis_server: Valkey, sqlite_url: str, tmp_path: Path
) -> AsyncIterator[Deployment]:
    async with open_stage(redis, redis_server.url, sqlite_url, tmp_path) as stage:
        yield stage


async def everything(stage: Deployment) -> dict[str, Any]:
    """All rows of SQL but the record of who tried what, and all keys of Redis."""
    found: dict[str, Any] = {}
    async with database.snapshot(stage.sql) as connection:
        for table in metadata.sorted_tables:
            if table.name != "operator_actions":
                found[table.name] = sorted(map(repr, await connection.execute(select(table))))
    for key in await stage.redis.keys("*"):
        kind = await stage.redis.type(key)
        read: dict[str, Callable[[str], Any]] = {
            "string": stage.redis.get,
            "hash": stage.redis.hgetall,
            "stream": stage.redis.xrange,
            "zset": lambda key: stage.redis.zrange(key, 0, -1, withscores=True),
        }
        found[key] = await read[kind](key)
    return found


async def prize(show: Show, **changes: Any) -> str:
    terms = {"price_fen": 0, "allotted": 3, "buyer_limit": 1}
    return await show.drop(**(terms | changes))


def bag_of(drop_id: str, **changes: Any) -> dict[str, Any]:
    return {**BAG, "drop_id": drop_id, **changes}


async def too_few_prizes(show: Show) -> tuple[str, str, Any]:
    return "POST", f"{show.path}/bags", bag_of(await prize(show), places=4)


async def a_second_bag(show: Show) -> tuple[str, str, Any]:
    await show.act("bags", {**BAG, "coupon": "20 off"})
    return "POST", f"{show.path}/bags", bag_of(await prize(show))


async def a_bag_whose_drop_closes_first(show: Show) -> tuple[str, str, Any]:
    now_ms = await show.api.deployment.engine.now_ms()
    drop_id = await prize(show, closes_ms=now_ms + 30_000)
    return "POST", f"{show.path}/bags", bag_of(drop_id)


async def a_bag_whose_phrase_nobody_can_say(show: Show) -> tuple[str, str, Any]:
    return "POST", f"{show.path}/bags", bag_of(await prize(show), phrase="!")


async def a_bag_of_a_closed_drop(show: Show) -> tuple[str, str, Any]:
    drop_id = await prize(show)
    await show.act(f"drops/{drop_id}/open")
    await show.act(f"drops/{drop_id}/close")
    return "POST", f"{show.path}/bags", bag_of(drop_id)


async def a_bag_in_a_pause_of_the_stock(show: Show) -> tuple[str, str, Any]:
    drop_id = await prize(show)
    shut(show)
    return "POST", f"{show.path}/bags", bag_of(drop_id)


async def an_opening_while_the_stock_is_closed(show: Show) -> tuple[str, str, Any]:
    drop_id = await show.drop()
    shut(show)
    return "POST", f"/v1/admin/drops/{drop_id}/open", None


async def an_opening_on_air_while_the_stock_is_closed(show: Show) -> tuple[str, str, Any]:
    drop_id = await show.drop()
    shut(show)
    return "POST", f"{show.path}/drops/{drop_id}/open", {"countdown_s": 3}


async def an_opening_behind_the_closing(show: Show) -> tuple[str, str, Any]:
    now_ms = await show.api.deployment.engine.now_ms()
    drop_id = await show.drop(closes_ms=now_ms + 2_000)
    return "POST", f"{show.path}/drops/{drop_id}/open", {"countdown_s": 60}


async def a_start_of_a_room_that_is_over(show: Show) -> tuple[str, str, Any]:
    await show.act("end")
    return "POST", f"{show.path}/start", None


async def an_unban_of_a_room_that_is_not(show: Show) -> tuple[str, str, Any]:
    return "POST", f"{show.path}/unban", None


async def a_drop_of_another_room(show: Show) -> tuple[str, str, Any]:
    body = {"title": "Other", "host": "host", "starts_ms": FAR_MS}
    other = (await show.api.post("/v1/rooms", body, by=show.api.boss)).body["room_id"]
    return "PUT", f"/v1/rooms/{other}/drops/{await show.drop()}", None


async def publish_keys_without_a_media_server(show: Show) -> tuple[str, str, Any]:
    return "POST", f"{show.path}/publish", None


async def an_item_of_a_foreign_drop(show: Show) -> tuple[str, str, Any]:
    drop = await show.api.create_drop()
    return "POST", f"{show.path}/items", {"drop_id": drop["drop_id"]}


async def a_pin_of_a_hidden_item(show: Show) -> tuple[str, str, Any]:
    item = await show.act("items", {"drop_id": await show.drop()})
    return "POST", f"{show.path}/items/{item['item_id']}/pin", None


async def an_edit_of_an_older_version(show: Show) -> tuple[str, str, Any]:
    item = await show.act("items", {"drop_id": await show.drop()})
    body = {"state": "on_sale", "version": 1}
    return "PATCH", f"{show.path}/items/{item['item_id']}", body


async def a_ban_in_a_room_that_is_over(show: Show) -> tuple[str, str, Any]:
    await show.act("end")
    return "POST", f"{show.path}/bans", {"person_id": show.person("ann"), "seconds": 60}


async def a_refund_of_what_was_not_paid(show: Show) -> tuple[str, str, Any]:
    drop_id = await show.drop()
    return "POST", f"/v1/admin/orders/{drop_id}-{'a' * 16}/refund", {"reason": "x"}


async def a_scrapping_of_more_than_there_is(show: Show) -> tuple[str, str, Any]:
    drop_id = await show.api.open_drop()
    return "POST", f"/v1/admin/drops/{drop_id}/adjust", {"delta": -11, "reason": "x"}


async def a_challenge_where_no_tickets_are(show: Show) -> tuple[str, str, Any]:
    drop_id = await show.api.open_drop()
    return "POST", f"/v1/admin/drops/{drop_id}/challenge", {"difficulty": 5}


async def a_payment_of_another_amount(show: Show) -> tuple[str, str, Any]:
    rid = (await show.api.reserve(await show.api.open_drop())).body["reservation_id"]
    body = {"outcome": "paid", "transaction_id": "t-1", "amount_fen": 1}
    return "POST", f"/v1/payments/simulated/{rid}", body


async def a_deletion_of_a_campaign_with_a_drop(show: Show) -> tuple[str, str, Any]:
    drop = await show.api.create_drop()
    return "DELETE", f"/v1/admin/campaigns/{drop['campaign_id']}", None


async def a_change_of_another_version_of_a_draft(show: Show) -> tuple[str, str, Any]:
    drop = await show.api.create_drop()
    return "PATCH", f"/v1/admin/drops/{drop['drop_id']}", {"version": 9, "price_fen": 1}


async def a_draft_that_would_close_before_it_opens(show: Show) -> tuple[str, str, Any]:
    drop_id = await show.drop()
    await show.act("items", {"drop_id": drop_id, "state": "on_sale"})
    body = {"version": 2, "price_fen": 1, "opens_ms": FAR_MS}
    return "PATCH", f"/v1/admin/drops/{drop_id}", body


async def a_deletion_of_a_room_with_a_drop(show: Show) -> tuple[str, str, Any]:
    body = {"title": "Other", "host": "host", "starts_ms": FAR_MS}
    other = (await show.api.post("/v1/rooms", body, by=show.api.boss)).body["room_id"]
    await show.api.create_drop(room_id=other)
    return "DELETE", f"/v1/rooms/{other}", None


async def a_deletion_of_a_room_that_began(show: Show) -> tuple[str, str, Any]:
    return "DELETE", show.path, None


async def a_drop_of_the_shelf_that_is_taken_back(show: Show) -> tuple[str, str, Any]:
    drop_id = await show.drop()
    await show.act("items", {"drop_id": drop_id})
    return "DELETE", f"{show.path}/drops/{drop_id}", None


async def a_mute_of_all_in_a_room_that_is_over(show: Show) -> tuple[str, str, Any]:
    await show.act("end")
    return "POST", f"{show.path}/mute-all", None


def shut(show: Show) -> None:
    """Close all partitions in this process, as the watchman does."""
    epochs = show.api.deployment.engine.epochs
    epochs.update(dict.fromkeys(epochs, 0))


CASES: tuple[Case, ...] = (
    too_few_prizes,
    a_second_bag,
    a_bag_whose_drop_closes_first,
    a_bag_whose_phrase_nobody_can_say,
    a_bag_of_a_closed_drop,
    a_bag_in_a_pause_of_the_stock,
    an_opening_while_the_stock_is_closed,
    an_opening_on_air_while_the_stock_is_closed,
    an_opening_behind_the_closing,
    a_start_of_a_room_that_is_over,
    an_unban_of_a_room_that_is_not,
    a_drop_of_another_room,
    publish_keys_without_a_media_server,
    an_item_of_a_foreign_drop,
    a_pin_of_a_hidden_item,
    an_edit_of_an_older_version,
    a_ban_in_a_room_that_is_over,
    a_refund_of_what_was_not_paid,
    a_scrapping_of_more_than_there_is,
    a_challenge_where_no_tickets_are,
    a_payment_of_another_amount,
    a_deletion_of_a_campaign_with_a_drop,
    a_change_of_another_version_of_a_draft,
    a_draft_that_would_close_before_it_opens,
    a_deletion_of_a_room_with_a_drop,
    a_deletion_of_a_room_that_began,
    a_drop_of_the_shelf_that_is_taken_back,
    a_mute_of_all_in_a_room_that_is_over,
)


async def test_a_refused_call_has_changed_nothing(show: Show, stage: Deployment) -> None:
    epochs = dict(stage.engine.epochs)
    for case in CASES:
        # given a room of its own on air, and what the case makes of it
        new = {"title": "Tea time", "host": "host", "starts_ms": FAR_MS}
        made = await show.api.post("/v1/rooms", new, by=show.api.boss)
        room = Show(show.api, made.body["room_id"], show.session)
        await room.act("start")
        method, path, body = await case(room)
        before = await everything(stage)
        # when
        refused = await show.api.ask(method, path, body, by=show.api.boss)
        # then
        assert refused.status >= 400, case.__name__
        assert await everything(stage) == before, case.__name__
        stage.engine.epochs.update(epochs)


async def test_a_drop_of_no_campaign_makes_no_sku(stage: Deployment) -> None:
    # given terms that name a campaign which does not exist, and a SKU to be made
    new = NewDrop("nosuch", "0", price_fen=1, allotted=1, buyer_limit=1, hold_ms=1_000)
    # when
    with pytest.raises(InvalidField):
        await Drops(stage).create(new, new_sku=NewSku("Tea", 1))
    # then
    async with database.snapshot(stage.sql) as connection:
        assert not (await connection.execute(select(catalogue_tables.skus))).all()
