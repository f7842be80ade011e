"""GET /v1/time, /v1/campaigns, /v1/drops/{id}: what everybody sees."""

import asyncio
from pathlib import Path

import pytest
from redis.asyncio import Redis
from sqlalchemy import event

from livesale.app import PARTS
from livesale.catalogue.view import CatalogueView
from livesale.ledger.writer import Writer
from tests.livesale.api import FAR_MS, Api, outdate
from tests.livesale.stage import running, until_written
from tests.waiting import until


async def shown(api: Api, drop_id: str) -> dict[str, object]:
    """The drop as it is now, past the caches."""
    parts = api.app[PARTS]
    for cache in (parts[CatalogueView]._drops, parts[CatalogueView]._live):
        outdate(cache)
    reply = await api.get(f"/v1/drops/{drop_id}")
    assert reply.status == 200
    return dict(reply.body)


async def test_time_is_that_of_redis(api: Api) -> None:
    before_ms = await api.deployment.engine.now_ms()
    reply = await api.get("/v1/time")
    after_ms = await api.deployment.engine.now_ms()
    assert set(reply.body) == {"server_ms"}
    assert before_ms - 50 <= reply.body["server_ms"] <= after_ms + 50


async def test_a_drop_shows_everything_a_buyer_needs(api: Api) -> None:
    # given
    drop_id = await api.open_drop(opens_ms=1_500_000_000_000)
    await api.reserve(drop_id, quantity=3)
    # when
    drop = await shown(api, drop_id)
    # then
    assert abs(int(str(drop.pop("server_ms"))) - await api.deployment.engine.now_ms()) < 60_000
    made = (await api.get(f"/v1/admin/drops/{drop_id}", by=api.viewer)).body
    assert drop == {
        "drop_id": drop_id,
        "campaign_id": made["campaign_id"],
        "sku_id": made["sku_id"],
        "title": "Tea",
        "state": "open",
        "price_fen": 1_990,
        "buyer_limit": 3,
        "hold_ms": 600_000,
        "opens_ms": 1_500_000_000_000,
        "closes_ms": FAR_MS,
        "allotted": 10,
        "remaining": 7,
        "ticket_required": False,
    }


async def test_the_states_that_a_buyer_sees(api: Api) -> None:
    # a draft
    draft = str((await api.create_drop())["drop_id"])
    assert (await shown(api, draft))["state"] == "scheduled"
    # opened by the operator, not yet by the clock
    early = await api.open_drop(opens_ms=FAR_MS - 1, closes_ms=FAR_MS)
    assert (await shown(api, early))["state"] == "scheduled"
    # over by the clock, not yet by the keeper
    late = await api.open_drop(closes_ms=1_500_000_000_000)
    assert (await shown(api, late))["state"] == "closed"
    # on sale, sold out, on sale again, paused, closed
    drop_id = await api.open_drop(allotted=1)
    seen = [(await shown(api, drop_id))["state"]]
    rid = (await api.reserve(drop_id)).body["reservation_id"]
    seen.append((await shown(api, drop_id))["state"])
    await api.delete(f"/v1/reservations/{rid}", by=api.buyer())
    seen.append((await shown(api, drop_id))["state"])
    for verb in ("pause", "close"):
        await api.post(f"/v1/admin/drops/{drop_id}/{verb}", by=api.boss)
        seen.append((await shown(api, drop_id))["state"])
    assert seen == ["open", "sold_out", "open", "paused", "closed"]


async def test_a_drop_that_redis_lost_is_not_for_sale(api: Api, redis: Redis) -> None:
    # given: SQL says it was opened
    drop_id = await api.open_drop()
    async with running(Writer(api.deployment)):
        await until_written(api.deployment)
    await redis.delete(api.deployment.keyspace.of_drop(drop_id).drop)
    # then
    drop = await shown(api, drop_id)
    assert (drop["state"], drop["remaining"]) == ("paused", 0)


async def test_what_is_left_is_news_soon(api: Api) -> None:
    # given: somebody looked just before
    drop_id = await api.open_drop()
    assert (await api.get(f"/v1/drops/{drop_id}")).body["remaining"] == 10
    await api.reserve(drop_id)

    async def is_news() -> bool:
        return bool((await api.get(f"/v1/drops/{drop_id}")).body["remaining"] == 9)

    await until(is_news)


async def test_a_crowd_that_looks_costs_one_look(
    api: Api, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    drop_id = await api.open_drop()
    calls = []
    snapshot = api.deployment.engine.snapshot

    async def counted(drop_id: str) -> object:
        calls.append(drop_id)
        return await snapshot(drop_id)

    monkeypatch.setattr(api.deployment.engine, "snapshot", counted)
    monkeypatch.setattr(api.app[PARTS][CatalogueView]._live, "_ttl_s", 60.0)
    # when
    replies = await asyncio.gather(*(api.get(f"/v1/drops/{drop_id}") for _ in range(50)))
    # then
    assert {reply.body["remaining"] for reply in replies} == {10}
    assert calls == [drop_id]


async def test_a_campaign_shows_its_drops(api: Api) -> None:
    # given
    drop_id = await api.open_drop()
    drop = await shown(api, drop_id)
    # when
    reply = await api.get(f"/v1/campaigns/{drop['campaign_id']}")
    # then
    body = reply.body
    assert reply.status == 200
    body.pop("server_ms")
    for one in (drop, body["drops"][0]):
        one.pop("server_ms")
    assert body == {
        "campaign_id": drop["campaign_id"],
        "title": "Now",
        "opens_ms": 0,
        "closes_ms": FAR_MS,
        "drops": [drop],
    }


async def test_campaigns_are_listed_by_their_opening_without_those_that_are_over(
    api: Api,
) -> None:
    # given
    made, then_ms = {}, 1_500_000_000_000
    for day, closes_ms in ((30, FAR_MS), (10, FAR_MS), (0, then_ms + 1), (20, FAR_MS)):
        body = {"title": "x", "opens_ms": then_ms + day, "closes_ms": closes_ms}
        reply = await api.post("/v1/admin/campaigns", body, by=api.boss)
        made[day] = reply.body["campaign_id"]
    # when
    first = (await api.get("/v1/campaigns?limit=2")).body
    rest = (await api.get(f"/v1/campaigns?limit=2&after={first['next']}")).body
    # then
    listed = [one["campaign_id"] for one in first["campaigns"] + rest["campaigns"]]
    assert listed == [made[10], made[20], made[30]]
    assert rest["next"] is None


async def test_several_drops_come_with_one_look_and_each_for_itself(
    api: Api, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.app[PARTS][CatalogueView]._drops, "_ttl_s", 60.0)
    # given three drops, one with broken books, and one that nobody made
    drops = [await api.open_drop() for _ in range(3)]
    await redis.hincrby(api.deployment.keyspace.of_drop(drops[2]).drop, "available", 1)
    asked: list[str] = []

    @event.listens_for(api.deployment.sql.sync_engine, "before_cursor_execute")
    def note(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        asked.append(statement)

    # when they are asked for at once, one of them twice
    wanted = [drops[1], "nosuch", drops[2], drops[0], drops[1]]
    reply = await api.get(f"/v1/drops?ids={','.join(wanted)}")
    # then each has its entry, in order, and nothing hides the others
    found = reply.body["drops"]
    assert [one["drop_id"] for one in found] == wanted[:4]
    assert [one["code"] for one in found] == [None, "unknown_drop", "books_broken", None]
    assert found[0]["drop"]["remaining"] == 10
    assert len([one for one in asked if "FROM drops" in one]) == 1
    # and what this process knows is not asked again
    asked.clear()
    again = await api.get(f"/v1/drops?ids={drops[0]},nosuch,{drops[1]}")
    assert [one["code"] for one in again.body["drops"]] == [None, "unknown_drop", None]
    assert not [one for one in asked if "FROM drops" in one]
    # and the number of ids is bounded
    assert (await api.get("/v1/drops?ids=" + ",".join(["a"] * 50))).status == 200
    for ids in (",".join(["a"] * 51), "a,", "a b", "A"):
        assert (await api.get(f"/v1/drops?ids={ids}")).code == "invalid_parameter"


@pytest.mark.parametrize("kind", ["drop", "campaign"])
@pytest.mark.parametrize("name", ["nosuch", "NOSUCH", "a-b", "%F0%9F%8D%B5"])
async def test_there_is_no_such_thing(api: Api, kind: str, name: str) -> None:
    reply = await api.get(f"/v1/{kind}s/{name}")
    assert (reply.status, reply.code) == (404, f"unknown_{kind}")


async def test_the_catalogue_is_shown_while_sql_is_away(api: Api) -> None:
    # given: seen before, and the memory of it is over
    drop_id = await api.open_drop()
    await shown(api, drop_id)
    parts = api.app[PARTS]
    parts[CatalogueView]._drops._found[drop_id] = (
        0.0,
        parts[CatalogueView]._drops._found[drop_id][1],
    )
    # when
    await break_sql(api)
    # then: seen still; and what was never seen is a clear refusal
    assert (await api.get(f"/v1/drops/{drop_id}")).body["remaining"] == 10
    other = await api.get("/v1/drops/other")
    assert (other.status, other.code) == (503, "store_unavailable")
    # and: sales go on
    assert (await api.reserve(drop_id)).status == 201


async def break_sql(api: Api) -> None:
    """Take the database away: its file becomes a folder."""
    await api.deployment.sql.dispose()
    path = Path(str(api.deployment.sql.url.database))
    for file in path.parent.glob(f"{path.name}*"):
        file.rename(file.with_name(f"away-{file.name}"))
    path.mkdir()
