"""What operators do is in SQL, whatever the log says: before the effect, and with it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis
from sqlalchemy import event, select, update

from livesale.action_log.forgetting import forget_actions
from livesale.action_log.record import Deed, Record
from livesale.action_log.tables import operator_actions
from livesale.app import PARTS, ROUTES, build_app
from livesale.catalogue.skus.service import NewSku, Skus
from livesale.catalogue.tables import skus
from livesale.database import engine as database
from livesale.resources import Deployment
from livesale.rooms.person_ids import PersonIds
from stock.ids import least_id
from tests.livesale.api import FAR_MS, Api
from tests.livesale.stage import open_stage
from tests.servers import Valkey


@pytest.fixture
async def stage(
    redis: Redis, redis_server: Valkey, sqlite_url: str, tmp_path: Path
) -> AsyncIterator[Deployment]:
    flags = {"log__level": "error"}
    async with open_stage(redis, redis_server.url, sqlite_url, tmp_path, **flags) as stage:
        yield stage


@pytest.fixture
async def api(stage: Deployment) -> AsyncIterator[Api]:
    api = Api(build_app(stage), stage)
    await api.start()
    yield api
    await api.stop()


async def actions(api: Api, query: str = "") -> list[dict[str, Any]]:
    reply = await api.get(f"/v1/admin/actions{query}", by=api.viewer)
    assert reply.status == 200, reply.body
    return list(reply.body["actions"])


async def room(api: Api) -> str:
    new = {"title": "Tea", "host": "host", "starts_ms": FAR_MS}
    return str((await api.post("/v1/rooms", new, by=api.boss)).body["room_id"])


async def test_what_operators_and_hosts_do_is_told_page_by_page(api: Api) -> None:
    # given what an operator did, and what was refused
    drop_id = await api.open_drop()
    await api.post(
        f"/v1/admin/drops/{drop_id}/adjust",
        {"delta": -99, "reason": "lost"},
        by=api.boss,
        X_Request_Id="mine",
    )
    # and what a host did in the own room, and a stranger tried there
    room_id = await room(api)
    ban = {"person_id": api.app[PARTS][PersonIds].of(room_id, "ann"), "seconds": 60}
    assert (await api.post(f"/v1/rooms/{room_id}/bans", ban, by=api.buyer("host"))).status == 200
    assert (await api.post(f"/v1/rooms/{room_id}/bans", ban, by=api.buyer("eve"))).status == 403
    # when somebody looks
    found = await actions(api)
    # then all is there, the newest first, but for the stranger, who did nothing
    assert [one["action"].rpartition("/")[2] for one in found] == [
        *("bans", "rooms", "adjust", "open", "drops", "campaigns", "skus")
    ]
    host, _, adjust, opened, *_ = found
    assert (host["actor"], host["object_id"], host["outcome"]) == ("buyer|host", room_id, "done")
    assert (opened["actor"], opened["outcome"], opened["code"]) == ("operator|boss", "done", "200")
    assert (adjust["outcome"], adjust["code"]) == ("refused", "too_few")
    assert (adjust["object_id"], adjust["request_id"]) == (drop_id, "mine")
    asked = {"drop_id": drop_id, "body": {"delta": -99, "reason": "lost"}}
    assert msgspec.json.decode(adjust["asked"]) == asked
    assert all(one["ended_ms"] >= one["at_ms"] for one in found)
    # and page by page, or of one object or actor
    first = (await api.get("/v1/admin/actions?limit=3", by=api.viewer)).body
    rest = await actions(api, f"?after={first['next']}")
    assert first["actions"] + rest == found
    assert await actions(api, f"?object_id={drop_id}") == [adjust, opened]
    assert await actions(api, "?actor=buyer%7Chost") == [host]
    assert (await api.get("/v1/admin/actions", by=api.buyer())).status == 403


async def test_nothing_is_done_that_cannot_be_recorded(api: Api, stage: Deployment) -> None:
    # given a drop on sale, and a database that takes no more rows of the record
    drop_id = await api.open_drop()
    before = await api.books(drop_id)
    engine = stage.sql.sync_engine

    @event.listens_for(engine, "before_cursor_execute")
    def refuse(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if "INSERT INTO operator_actions" in statement:
            raise OSError("full")

    # when an operator pauses, closes or adjusts it, or a host acts
    body = {"delta": 5, "reason": "x"}
    for verb, asked in (("pause", None), ("close", None), ("adjust", body)):
        reply = await api.post(f"/v1/admin/drops/{drop_id}/{verb}", asked, by=api.boss)
        assert reply.code == "store_unavailable", verb
    event.remove(engine, "before_cursor_execute", refuse)
    # then nothing was done
    assert await api.books(drop_id) == before
    assert (await api.get(f"/v1/drops/{drop_id}")).body["state"] == "open"


async def test_an_effect_in_sql_and_its_record_are_one(stage: Deployment) -> None:
    # given a deed whose record was begun
    record = Record(stage.sql, Deed("operator|boss", "make", "", {}))
    await record.begin()
    makers = Skus(stage)

    async def outcomes() -> list[str]:
        async with database.snapshot(stage.sql) as connection:
            return list(await connection.scalars(select(operator_actions.c.outcome)))

    # when it has an effect, and its process dies before it is concluded
    with record.current():
        await makers.create(NewSku("Tea", 1))
    # then the record says that there is one
    assert await outcomes() == ["applied"]
    # and without a record, or behind one that is gone, there is none
    orphan = Record(stage.sql, Deed("operator|boss", "make", "", {}))
    for change in ("never begun", "removed"):
        if change == "removed":
            await orphan.begin()
            async with database.transaction(stage.sql) as connection:
                await connection.execute(operator_actions.delete())
        with orphan.current(), pytest.raises(RuntimeError, match="record"):
            await makers.create(NewSku(change, 1))
    async with database.snapshot(stage.sql) as connection:
        assert list(await connection.scalars(select(skus.c.title))) == ["Tea"]


async def test_every_route_that_changes_something_is_recorded(api: Api) -> None:
    # given each route that operators change something by
    room_id = await room(api)
    names = {"room_id": room_id, "drop_id": "d1", "item_id": "i1", "person_id": "x" * 30}
    names |= {"comment_id": "7", "order_id": f"d1-{'a' * 16}", "bag_id": "b1", "sku_id": "s1"}
    names |= {"name": "olga", "session_id": "s1", "buyer_id": "ann", "parcel_id": "p0123456789abc"}
    names |= {"product_id": "p1", "category_id": "c1", "case_id": "c0123456789abc"}
    names |= {"store_id": "s1", "campaign_id": "c1", "refund_no": f"r{'0' * 32}"}
    changing = [route for route in ROUTES if route.changes]
    # those that change nothing, or only what is the caller's own
    silent = {"heartbeat", "reservations", "tickets", "payment", "comments", "likes", "opened"}
    silent |= {"entries", "claim", "reminder", "sessions", "{reservation_id}", "notify", "refund"}
    for route in ROUTES:
        own = route.auth == "buyer" or route.path.rpartition("/")[2] in silent or route.signed
        assert route.changes or own or route.method == "GET" or route.auth is None, route.path
    # when an operator asks, whatever comes of it
    for route in changing:
        path = route.path.format(**names)
        body = {} if route.body is not None else None
        await api.ask(route.method, path, body, by=api.boss)
        raw = b"no such file" if route.files else None
        reply = await api.ask(route.method, path, SOUND.get(route.path), by=api.boss, raw=raw)
        # then it is in the record
        newest = (await actions(api, "?limit=1"))[0]
        what = f"{route.method} {route.path}"
        assert newest["action"] == what, f"{what}: {reply.status} {reply.raw!r}"


TITLE = {"title": "x"}
REASON = {"reason": "x"}
BAR = {"person_id": "x" * 30, "seconds": 60}
SOUND: dict[str, Any] = {
    "/v1/rooms": TITLE | {"host": "host", "starts_ms": FAR_MS},
    "/v1/rooms/{room_id}": TITLE,
    "/v1/rooms/{room_id}/items": {"sku_id": "s1"},
    "/v1/rooms/{room_id}/items/{item_id}": TITLE,
    "/v1/rooms/{room_id}/order": {"item_ids": ["i1"]},
    "/v1/rooms/{room_id}/mutes": BAR,
    "/v1/rooms/{room_id}/bans": BAR,
    "/v1/rooms/{room_id}/bags": TITLE | {"places": 1, "countdown_s": 60, "coupon": "x"},
    "/v1/rooms/{room_id}/drops/{drop_id}/restock": REASON | {"units": 1},
    "/v1/admin/skus": TITLE | {"price_fen": 1},
    "/v1/admin/skus/{sku_id}": TITLE,
    "/v1/admin/skus/{sku_id}/moves": {"kind": "received", "units": 1, "note": "x"},
    "/v1/admin/orders/{order_id}/parcels": {"method": "self", "note": "x"},
    "/v1/admin/parcels/{parcel_id}/ship": {"carrier": "SF", "number": "SF123456789"},
    "/v1/admin/parcels/{parcel_id}/cancel": REASON,
    "/v1/admin/cases/{case_id}/refuse": {"answer": "x"},
    "/v1/admin/cases/{case_id}/take-in": {"fate": "stock"},
    "/v1/admin/products": TITLE,
    "/v1/admin/products/{product_id}": TITLE,
    "/v1/admin/categories": TITLE | {"path": "x"},
    "/v1/admin/categories/{category_id}": TITLE,
    "/v1/admin/campaigns": TITLE | {"opens_ms": 0, "closes_ms": FAR_MS},
    "/v1/admin/drops": {"campaign_id": "c", "sku_id": "s", "price_fen": 1, "allotted": 1}
    | {"buyer_limit": 1, "hold_ms": 1_000},
    "/v1/admin/campaigns/{campaign_id}": {"version": 1},
    "/v1/admin/drops/{drop_id}": {"version": 1},
    "/v1/admin/drops/{drop_id}/adjust": REASON | {"delta": 1},
    "/v1/admin/drops/{drop_id}/challenge": {"difficulty": 1},
    "/v1/admin/orders/{order_id}/refund": REASON,
    "/v1/admin/checks": {"kind": "doctor"},
    "/v1/admin/launch": {"drop_ids": ["d1"]},
    "/v1/admin/insiders/{buyer_id}": {"note": "x"},
    "/v1/admin/operators": {"name": "olga", "roles": ["sale"]},
    "/v1/admin/operators/{name}": {"roles": ["room"]},
    "/v1/admin/pickup-stores/{store_id}": TITLE | {"address": "x", "lat": 0, "lng": 0},
    "/v1/admin/pickups/use": {"code": "0000000000"},
    "/v1/admin/pickups/sync": {"uses": [{"use_id": "12345678", "code": "x", "at_ms": 0}]},
    "/v1/operator/password": {"password": "correct horse battery"},
    "/v1/operator/second-factor": {"code": "000000"},
}


async def test_the_record_says_what_changed(api: Api) -> None:
    # given a drop that is made, opened, paused, adjusted and closed
    drop_id = await api.open_drop(allotted=10)
    by, path = api.boss, f"/v1/admin/drops/{drop_id}"
    for verb, body in (
        ("pause", None),
        ("pause", None),
        ("resume", None),
        ("adjust", {"delta": 5, "reason": "x"}),
        ("adjust", {"delta": -99, "reason": "x"}),
        ("close", None),
    ):
        await api.post(f"{path}/{verb}", body, by=by)
    # then each step has both sides, and a repeat or a refused one has none
    found = [changed(one) for one in await actions(api, f"?object_id={drop_id}")]
    opened = found.pop()
    assert (opened[0]["state"], opened[1]["state"]) == ("draft", "open")
    assert found == [
        ({"state": "open"}, {"state": "closed"}),
        (None, None),
        ({"available": 10}, {"available": 15}),
        ({"state": "paused"}, {"state": "open"}),
        (None, None),
        ({"state": "open"}, {"state": "paused"}),
    ]
    # and so has what happens to a room
    room_id = await room(api)
    edit = {"title": "Best tea"}
    assert (await api.ask("PATCH", f"/v1/rooms/{room_id}", edit, by=api.boss)).status == 200
    sku = (await api.post("/v1/admin/skus", {"title": "Tea", "price_fen": 1}, by=by)).body
    item = {"sku_id": sku["sku_id"], "title": "Cup"}
    made = (await api.post(f"/v1/rooms/{room_id}/items", item, by=api.boss)).body
    await api.delete(f"/v1/rooms/{room_id}/items/{made['item_id']}", by=api.boss)
    await api.post(f"/v1/rooms/{room_id}/start", by=api.buyer("host"))
    started, *_, edited = [changed(one) for one in await actions(api, f"?object_id={room_id}")]
    assert (edited[0]["title"], edited[1]["title"]) == ("Tea", "Best tea")
    assert (started[0]["state"], started[1]["state"]) == ("scheduled", "live")
    [removed] = [changed(one) for one in await actions(api, f"?object_id={made['item_id']}")]
    assert (removed[0]["title"], removed[1]) == ("Cup", None)


async def test_what_is_sought_is_found(api: Api) -> None:
    # given some actions, one of them refused
    drop_id = await api.open_drop()
    await api.post(f"/v1/admin/drops/{drop_id}/pause", by=api.boss, X_Request_Id="mine")
    body = {"delta": -99, "reason": "x"}
    await api.post(f"/v1/admin/drops/{drop_id}/adjust", body, by=api.boss)
    everything = await actions(api)
    adjust, pause = everything[0], everything[1]
    # then each filter finds its own, and together they find less
    close = "?action=POST%20/v1/admin/drops/%7Bdrop_id%7D/pause"
    assert await actions(api, close) == [pause]
    assert await actions(api, "?request_id=mine") == [pause]
    assert await actions(api, "?outcome=refused") == [adjust]
    assert await actions(api, "?outcome=refused&request_id=mine") == []
    last_ms = everything[0]["at_ms"]
    assert await actions(api, f"?since_ms={last_ms + 1}") == []
    assert await actions(api, f"?until_ms={everything[-1]['at_ms']}") == []
    assert await actions(api, f"?since_ms={everything[-1]['at_ms']}") == everything
    bad = await api.get("/v1/admin/actions?outcome=maybe", by=api.viewer)
    assert bad.code == "invalid_parameter"


def changed(action: dict[str, Any]) -> tuple[Any, Any]:
    """The object before and after an action."""
    before, after = (
        action[side] and msgspec.json.decode(action[side]) for side in ("before", "after")
    )
    return before, after


async def test_old_actions_are_forgotten(api: Api, stage: Deployment) -> None:
    # given two actions, one of them older than the settings keep
    await room(api)
    now_ms = await stage.engine.now_ms()
    old = now_ms - stage.settings.keeper.keep_actions_s * 1000 - 60_000
    async with database.transaction(stage.sql) as connection:
        await connection.execute(update(operator_actions).values(action_id=least_id(old)))
    await room(api)
    # when it is time
    assert await forget_actions(stage) == 1
    # then the other is left
    assert len(await actions(api)) == 1
