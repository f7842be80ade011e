"""/v1/admin: SKUs, campaigns, drops and their books."""

import asyncio
import json
from typing import Any

import pytest
from redis.asyncio import Redis

from livesale.ledger.writer import Writer
from livesale.settings import as_environment
from stock.model import MAX_UNITS
from tests.command import Run, succeeded
from tests.livesale.api import FAR_MS, Api
from tests.livesale.stage import running, until_written

FULL = {"allotted": 10, "available": 10, "held": 0, "sold": 0, "burned": 0}
EMPTY = dict.fromkeys(FULL, 0)


async def verb(api: Api, drop_id: str, name: str, body: Any = None, **headers: str) -> Any:
    return await api.post(f"/v1/admin/drops/{drop_id}/{name}", body, by=api.boss, **headers)


async def test_creating_a_sku(api: Api) -> None:
    reply = await api.post("/v1/admin/skus", {"title": "茶", "price_fen": 9_900}, by=api.boss)
    assert reply.status == 201
    assert set(reply.body) >= {"sku_id", "title", "price_fen", "created_ms"}
    assert reply.body["keeps_stock"] is False
    assert (reply.body["title"], reply.body["price_fen"]) == ("茶", 9_900)


async def test_creating_a_campaign_with_drops(api: Api) -> None:
    # given
    drop = await api.create_drop(opens_ms=1_500_000_000_000, closes_ms=FAR_MS - 1, expired_limit=7)
    plain = await api.create_drop()
    # then: a drop has its campaign's times and the settings' limit unless it has its own
    assert drop == drop | {
        "state": "draft",
        "title": "Tea",
        "price_fen": 1_990,
        "allotted": 10,
        "buyer_limit": 3,
        "hold_ms": 600_000,
        "opens_ms": 1_500_000_000_000,
        "closes_ms": FAR_MS - 1,
        "expired_limit": 7,
    }
    assert (plain["opens_ms"], plain["closes_ms"], plain["expired_limit"]) == (0, FAR_MS, 3)
    # and: operators find it
    shown = await api.get(f"/v1/admin/drops/{drop['drop_id']}", by=api.viewer)
    assert (shown.status, shown.body) == (200, drop)


@pytest.mark.parametrize("field", ["campaign_id", "sku_id"])
async def test_a_drop_of_nothing_is_refused(api: Api, field: str) -> None:
    # given
    made = await api.create_drop()
    names = ("campaign_id", "sku_id", "price_fen", "allotted", "buyer_limit", "hold_ms")
    body = {name: made[name] for name in names} | {field: "nosuch"}
    # when
    reply = await api.post("/v1/admin/drops", body, by=api.boss)
    # then
    assert (reply.status, reply.code, reply.body["field"]) == (422, "invalid_field", field)
    assert len((await api.get("/v1/admin/drops", by=api.viewer)).body["drops"]) == 1


async def test_closing_before_opening_is_refused(api: Api) -> None:
    body = {"title": "x", "opens_ms": FAR_MS, "closes_ms": FAR_MS}
    reply = await api.post("/v1/admin/campaigns", body, by=api.boss)
    assert (reply.code, reply.body["field"], reply.body["in"]) == (
        "invalid_field",
        "closes_ms",
        "body",
    )


async def test_drops_are_listed_by_pages_the_newest_first(api: Api) -> None:
    made = [(await api.create_drop())["drop_id"] for _ in range(3)]
    first = (await api.get("/v1/admin/drops?limit=2", by=api.viewer)).body
    rest = (await api.get(f"/v1/admin/drops?limit=2&after={first['next']}", by=api.viewer)).body
    assert rest["next"] is None
    listed = [drop["drop_id"] for drop in first["drops"] + rest["drops"]]
    assert listed == sorted(made, reverse=True)


async def test_opening_twice_is_a_replay(api: Api) -> None:
    # given
    drop_id = (await api.create_drop())["drop_id"]
    # when
    first = await verb(api, drop_id, "open")
    await api.reserve(drop_id)
    second = await verb(api, drop_id, "open", {})
    # then
    assert (first.status, first.body["state"]) == (200, "open")
    assert (second.status, second.body) == (200, first.body)
    assert (await api.books(drop_id))["redis"] == FULL | {"available": 9, "held": 1}


async def test_a_drop_that_redis_has_with_other_terms_is_a_conflict(api: Api, redis: Redis) -> None:
    # given: a drop on its way into Redis, where somebody put other terms
    drop_id = await api.open_drop()
    await redis.hset(api.deployment.keyspace.of_drop(drop_id).drop, "opened_as", "1|2|3")
    # when
    reply = await verb(api, drop_id, "open")
    # then
    assert (reply.status, reply.code) == (409, "terms_conflict")


async def test_a_drop_that_was_open_is_never_opened_into_an_empty_redis(
    api: Api, redis: Redis
) -> None:
    # given: SQL knows it open, and Redis has lost it
    drop_id = await api.open_drop()
    async with running(Writer(api.deployment)):
        await until_written(api.deployment)
    await redis.delete(api.deployment.keyspace.of_drop(drop_id).drop)
    # when
    await verb(api, drop_id, "open")
    # then: nothing is sold from a counter that came from nowhere
    reply = await api.reserve(drop_id)
    assert (reply.status, reply.code) == (503, "fenced")
    books = await api.books(drop_id)
    assert (books["redis"], books["sql"], books["ok"]) == (EMPTY, FULL, False)


async def test_pausing_resuming_and_closing_may_be_repeated(api: Api) -> None:
    drop_id = await api.open_drop()
    for name, state in (("pause", "paused"), ("resume", "open"), ("close", "closed")):
        for _ in range(2):
            reply = await verb(api, drop_id, name)
            assert (reply.status, reply.body["state"]) == (200, state)
    for name in ("pause", "resume"):
        reply = await verb(api, drop_id, name)
        assert (reply.status, reply.code) == (409, "drop_closed")
    assert (await api.books(drop_id))["redis"] == FULL


async def test_a_closed_drop_is_not_opened_again(api: Api) -> None:
    drop_id = await api.open_drop()
    await verb(api, drop_id, "close")
    async with running(Writer(api.deployment)):
        await until_written(api.deployment)
    assert (await verb(api, drop_id, "open")).code == "drop_closed"
    assert (await verb(api, drop_id, "adjust", {"delta": 1, "reason": "x"})).code == "drop_closed"


@pytest.mark.parametrize("name", ["pause", "resume", "close", "adjust"])
async def test_a_draft_has_nothing_to_change(api: Api, name: str) -> None:
    drop_id = (await api.create_drop())["drop_id"]
    body = {"delta": 1, "reason": "x"} if name == "adjust" else None
    reply = await verb(api, drop_id, name, body)
    assert (reply.status, reply.code) == (409, "not_opened")
    shown = await api.get(f"/v1/admin/drops/{drop_id}", by=api.viewer)
    assert shown.body["state"] == "draft"


@pytest.mark.parametrize("name", ["open", "pause", "resume", "close", "adjust"])
async def test_there_is_no_such_drop(api: Api, name: str) -> None:
    body = {"delta": 1, "reason": "x"} if name == "adjust" else None
    reply = await verb(api, "nosuch", name, body)
    assert (reply.status, reply.code) == (404, "unknown_drop")


async def test_restocking_and_scrapping(api: Api) -> None:
    # given
    drop_id = await api.open_drop()
    # when
    up = await verb(api, drop_id, "adjust", {"delta": 5, "reason": "found; a | pallet"})
    down = await verb(api, drop_id, "adjust", {"delta": -3, "reason": "破损"})
    # then
    assert (up.status, up.body) == (
        200,
        {"drop_id": drop_id, "delta": 5, "available": 15, "replayed": False},
    )
    assert down.body["available"] == 12
    async with running(Writer(api.deployment)):
        await until_written(api.deployment)
    books = {"allotted": 15, "available": 12, "held": 0, "sold": 0, "burned": 3}
    assert await api.books(drop_id) == {
        "drop_id": drop_id,
        "state": "open",
        "redis": books,
        "sql": books,
        "lag_entries": 0,
        "ok": True,
    }


async def test_adjusting_with_a_key_happens_once(api: Api) -> None:
    # given
    drop_id = await api.open_drop()
    body = {"delta": 5, "reason": "found"}
    key = {"Idempotency_Key": "a|b;c"}
    # when
    first = await verb(api, drop_id, "adjust", body, **key)
    second = await verb(api, drop_id, "adjust", body, **key)
    other = await verb(api, drop_id, "adjust", body | {"delta": 6}, **key)
    # then
    assert (first.body["replayed"], second.body["replayed"]) == (False, True)
    assert (other.status, other.code) == (422, "idempotency_conflict")
    assert (await api.books(drop_id))["redis"] == FULL | {"allotted": 15, "available": 15}


@pytest.mark.parametrize(
    ("delta", "code"), [(-11, "too_few"), (MAX_UNITS, "too_many"), (0, "invalid_field")]
)
async def test_adjustments_that_cannot_be(api: Api, delta: int, code: str) -> None:
    drop_id = await api.open_drop()
    reply = await verb(api, drop_id, "adjust", {"delta": delta, "reason": "x"})
    assert reply.code == code
    assert (await api.books(drop_id))["redis"] == FULL


async def test_books_before_the_opening_are_empty(api: Api) -> None:
    drop_id = (await api.create_drop())["drop_id"]
    assert await api.books(drop_id) == {
        "drop_id": drop_id,
        "state": "draft",
        "redis": EMPTY,
        "sql": EMPTY,
        "lag_entries": 0,
        "ok": True,
    }


async def test_books_hold_while_sql_is_behind(api: Api) -> None:
    # given: an opening that SQL has, and two reservations that it does not
    drop_id = await api.open_drop()
    async with running(Writer(api.deployment)):
        await until_written(api.deployment)
    await api.reserve(drop_id, "ann")
    await api.reserve(drop_id, "bob")
    # when
    books = await api.books(drop_id)
    # then
    assert books == {
        "drop_id": drop_id,
        "state": "open",
        "redis": FULL | {"available": 8, "held": 2},
        "sql": FULL,
        "lag_entries": 2,
        "ok": True,
    }


async def test_books_that_do_not_hold_are_not_ok(api: Api, redis: Redis) -> None:
    # given: a unit appears that no entry of the log explains
    drop_id = await api.open_drop()
    key = api.deployment.keyspace.of_drop(drop_id).drop
    await redis.hset(key, mapping={"available": 11, "allotted": 11})
    # then
    assert (await api.books(drop_id))["ok"] is False


async def test_broken_counters_are_said_and_nothing_is_sold(api: Api, redis: Redis) -> None:
    # given
    drop_id = await api.open_drop()
    await redis.hset(api.deployment.keyspace.of_drop(drop_id).drop, "available", 11)
    # then
    reply = await api.reserve(drop_id)
    assert (reply.status, reply.code) == (503, "books_broken")
    shown = await api.get(f"/v1/admin/drops/{drop_id}/books", by=api.viewer)
    assert shown.code == "books_broken"


async def test_everybodys_orders_of_a_drop(api: Api) -> None:
    # given orders of two drops, in SQL
    drop_id, other = [await api.open_drop(price_fen=50), await api.open_drop()]
    mine = {
        (await api.reserve(drop_id, buyer, quantity)).body["order_id"]: (buyer, quantity)
        for buyer, quantity in (("ann", 1), ("bob", 2), ("cid", 3))
    }
    await api.reserve(other, "ann")
    path = f"/v1/admin/drops/{drop_id}/orders"
    assert (await api.get(path, by=api.viewer)).body == {"orders": [], "next": None}
    async with running(Writer(api.deployment)):
        await until_written(api.deployment)
    # when they are read two at a time
    first = (await api.get(f"{path}?limit=2", by=api.viewer)).body
    second = (await api.get(f"{path}?limit=2&after={first['next']}", by=api.viewer)).body
    # then they are all there, once, by their ids, and only this drop's
    found = first["orders"] + second["orders"]
    assert second["next"] is None
    assert [order["order_id"] for order in found] == sorted(mine)
    for order in found:
        buyer, quantity = mine[order["order_id"]]
        assert order == order | {
            "buyer_id": buyer,
            "status": "held",
            "quantity": quantity,
            "price_fen": 50,
            "amount_fen": 50 * quantity,
        }
    # and a cursor of another drop leads nowhere
    foreign = f"zzzzzzzzzzzzz-{'A' * 16}"
    astray = await api.get(f"{path}?after={foreign}", by=api.viewer)
    assert astray.body == {"orders": [], "next": None}
    nowhere = await api.get("/v1/admin/drops/nosuch/orders", by=api.viewer)
    assert nowhere.code == "unknown_drop"


async def test_a_key_of_the_page_counts_once_with_that_of_the_command(
    api: Api, livesale: Run
) -> None:
    drop_id = await api.open_drop(allotted=10)
    body = {"delta": 5, "reason": "found a box"}
    path = f"/v1/admin/drops/{drop_id}/adjust"
    assert (await api.post(path, body, by=api.boss, Idempotency_Key="k")).body["available"] == 15
    # when the command that the page shows is run, then it is the same restock
    words = ("drop", "adjust", drop_id, "--delta=5", "--reason", "found a box", "--key", "k")
    settings = as_environment(api.deployment.settings)
    for mine, left in ((("--operator", "boss"), 15), ((), 20)):
        done = await asyncio.to_thread(livesale, *words, *mine, "--json", **settings)
        assert json.loads(succeeded(done))["available"] == left
