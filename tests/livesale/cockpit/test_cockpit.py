"""The cockpit shows what is so, says how old it is, and only to those who may see it."""

import asyncio
from typing import Any

import aiohttp
import msgspec
import pytest

from livesale.app import PARTS
from livesale.cockpit import glance, part
from livesale.cockpit.cockpit import Cockpit
from livesale.cockpit.drops import DropBoard
from livesale.cockpit.figures import PartitionFigures
from livesale.cockpit.keeper import IDLE_S, GlanceKeeper
from livesale.cockpit.part import Taken
from livesale.cockpit.requests import RESERVE, Look, compare
from livesale.ledger.writer import Writer
from livesale.payments.keeper import Keeper
from livesale.tasks import Tasks
from livesale.telemetry.metrics import FAST_S
from stock.errors import Unreachable
from tests.livesale.api import Api, outdate
from tests.livesale.identity.operators.person import come
from tests.livesale.stage import running
from tests.waiting import until

PATH = "/v1/admin/cockpit"


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is no fault of a store."""
    monkeypatch.setattr(part, "TAKE_S", 10.0)


class Screen:
    """An operator's socket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def next(self) -> dict[str, Any]:
        message = await self.socket.receive(timeout=10)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        found: dict[str, Any] = msgspec.json.decode(message.data)
        return found

    async def closed(self) -> int | None:
        async for _ in self.socket:
            pass
        return self.socket.close_code


async def watch(api: Api, session: aiohttp.ClientSession, **headers: str) -> Screen:
    return Screen(await session.ws_connect(f"{api.url}{PATH}/socket", headers=headers))


async def test_figures_of_a_drop_are_those_of_its_books(api: Api) -> None:
    # given a drop of which two units are held
    drop_id = await api.open_drop(allotted=10)
    assert (await api.reserve(drop_id, quantity=2)).status == 201
    # when an operator looks
    reply = await api.get(PATH, by=api.viewer)
    # then the figures are those of Redis, and each part says its age
    [drop] = reply.body["drops"]["drops"]
    assert (drop["drop_id"], drop["remaining"], drop["held"], drop["sold"]) == (drop_id, 8, 2, 0)
    assert reply.body["stores"]["checks"]["redis"]["ok"]
    assert [one["epoch"] for one in reply.body["partitions"]["partitions"]] == [1, 1]
    for name in ("drops", "requests", "stores", "partitions", "rooms", "alerts"):
        assert reply.body[name]["age_ms"] is not None
        assert reply.body[name]["fault"] == ""


async def test_pages_have_every_drop_once(api: Api) -> None:
    drop_ids = [await api.open_drop() for _ in range(3)]
    first = (await api.get(f"{PATH}/drops?limit=2", by=api.viewer)).body
    rest = (await api.get(f"{PATH}/drops?limit=2&after={first['next']}", by=api.viewer)).body
    shown = [drop["drop_id"] for drop in first["drops"] + rest["drops"]]
    assert shown == sorted(drop_ids, reverse=True)
    assert rest["next"] is None


async def test_all_sockets_get_the_same_once_a_second(api: Api) -> None:
    await api.open_drop()
    async with aiohttp.ClientSession() as session:
        bearer = {"Authorization": f"Bearer {api.viewer}"}
        one, two = [await watch(api, session, **bearer) for _ in range(2)]
        assert [(await screen.next())["type"] for screen in (one, two)] == ["cockpit"] * 2
        seen = [[await screen.next() for _ in range(3)] for screen in (one, two)]
        # the second came later: what both have is the same message
        times = [{figures["server_ms"] for figures in some} for some in seen]
        assert len(times[0] & times[1]) >= 2
        # rates are known from the second look on
        assert seen[0][2]["requests"]["window_ms"] > 0
        await one.socket.send_json({"type": "ping", "ref": "a"})
        while (answer := await one.next())["type"] != "pong":
            pass
        assert answer["ref"] == "a"
        # a frame of rooms is none of this socket
        await two.socket.send_json({"type": "like", "count": 1})
        assert await two.closed() == 4400


async def test_it_ends_with_the_session_and_with_the_role(api: Api) -> None:
    # given a person who watches
    person = await come(api, "olga", "sale")
    clerk = await come(api, "carl", "room")
    async with aiohttp.ClientSession() as session:
        screen = await watch(api, session, Cookie=person.cookie)
        other = await watch(api, session, Cookie=clerk.cookie)
        assert (await screen.next())["operator"] == "olga"
        # when an owner ends the sessions of one, and changes the role of the other
        await api.delete("/v1/admin/operators/olga/sessions", by=api.boss)
        changed = await api.ask(
            "PATCH",
            "/v1/admin/operators/carl",
            {"roles": ["clerk"], "store_id": "store1"},
            by=api.boss,
        )
        assert changed.status == 200, changed.body
        # then both are closed
        assert await screen.closed() == 4401
        assert await other.closed() in (4401, 4405)


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "null"])
async def test_a_page_of_another_origin_may_not_open_it(api: Api, origin: str) -> None:
    person = await come(api, "olga", "sale")
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await watch(api, session, Cookie=person.cookie, Origin=origin)
        assert refused.value.status == 403
        own = await watch(api, session, Cookie=person.cookie, Origin=api.url)
        assert (await own.next())["type"] == "cockpit"


async def test_without_redis_it_shows_what_it_knew_and_says_so(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop_id = await api.open_drop()
    cockpit = api.app[PARTS][Cockpit]
    assert (await cockpit._take("")).drops.fault == ""

    async def fail(*_: Any) -> Any:
        raise Unreachable("gone")

    monkeypatch.setattr(DropBoard, "figures", fail)
    drops = (await cockpit._take("")).drops
    assert [drop.drop_id for drop in drops.drops] == [drop_id]
    assert (drops.fault, drops.age_ms is None) == ("Unreachable", False)
    assert (await api.get(f"{PATH}/drops", by=api.viewer)).status == 503


async def test_the_keeper_looks_at_sql_for_all_workers(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a drop, and a keeper: it does nothing while nobody watches
    drop_id = await api.open_drop()
    keeper, cockpit = GlanceKeeper(api.deployment), api.app[PARTS][Cockpit]
    assert await keeper.step() == IDLE_S
    assert (await cockpit._take("")).drops.drops[0].expired is None
    # when somebody watches, then it looks, and counts what expired
    for _ in range(2):
        await keeper.step()

    # and the workers ask SQL for nothing
    async def fail(*_: Any) -> Any:
        raise AssertionError("the worker has looked itself")

    monkeypatch.setattr(glance, "look", fail)
    outdate(cockpit._glances._rounds)
    figures = await cockpit._take("")
    [drop] = figures.drops.drops
    assert (drop.drop_id, drop.expired) == (drop_id, 0)
    assert {figures.drops.fault, figures.rooms.fault, figures.work.fault} == {""}
    # when the look is from another release, then a worker looks itself
    await api.deployment.redis.set(api.deployment.keyspace.glance, '{"at_ms":1}')
    outdate(cockpit._glances._rounds)
    monkeypatch.undo()
    assert (await cockpit._take("")).drops.fault == ""


async def test_a_writer_or_keeper_that_is_gone_is_red(api: Api) -> None:
    cockpit = api.app[PARTS][Cockpit]

    async def checks() -> dict[str, Any]:
        return (await cockpit._take("")).stores.checks

    async def are_good() -> bool:
        found = await checks()
        return bool(found["writer"].ok and found["keeper"].ok)

    async def are_red() -> bool:
        found = await checks()
        return not found["writer"].ok and not found["keeper"].ok

    async with running(Writer(api.deployment)), running(Keeper(api.deployment)):
        await until(are_good)
    await until(are_red)
    found = await checks()
    assert found["writer"].detail == "nobody writes p00, p01"
    assert found["keeper"].detail == "nobody sweeps p00, p01: holds do not end"


async def test_a_part_that_hangs_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # given a store that does not answer
    monkeypatch.setattr(part, "TAKE_S", 0.01)
    asked, answers = [], asyncio.Event()

    async def take() -> PartitionFigures:
        asked.append(1)
        await answers.wait()
        return PartitionFigures()

    async with Tasks() as tasks:
        taken = Taken(take, PartitionFigures())
        # when the figures are taken twice
        shown = [await taken.show(tasks) for _ in range(2)]
        # then nothing is known, and one call waits
        assert [one.fault for one in shown] == ["no answer in time"] * 2
        assert [one.age_ms for one in shown] == [None, None]
        assert len(asked) == 1
        answers.set()
        assert (await taken.show(tasks)).fault == ""


def look(at_s: float, fast: int, slow: int, sold_out: int) -> Look:
    buckets = [0] * (len(FAST_S) + 1)
    buckets[FAST_S.index(0.01)], buckets[FAST_S.index(0.1)] = fast, slow
    codes = {("api-0", "SOLD_OUT"): sold_out, ("api-0", "HELD"): fast}
    return Look(at_s, {("api-0", "reserve"): buckets}, codes, 1, [])


def test_rates_are_what_the_counters_rose_by() -> None:
    found = compare(look(10, 100, 0, 7), look(12, 290, 10, 17))
    assert found.reserve is not None
    assert (found.window_ms, found.reserve.per_s) == (2_000, 100)
    assert (found.reserve.p50_ms, found.reserve.p99_ms) == (10, 100)
    assert [(error.code, error.per_s) for error in found.errors] == [("SOLD_OUT", 5)]


def test_a_worker_that_began_anew_counts_from_nothing() -> None:
    found = compare(look(10, 1_000, 0, 500), look(11, 20, 0, 3))
    assert found.reserve is not None
    assert (found.reserve.per_s, found.errors[0].per_s) == (20, 3)


@pytest.mark.parametrize("before", [None, look(10, 1, 0, 0)])
def test_an_old_look_says_nothing_about_now(before: Look | None) -> None:
    assert compare(before, look(500, 100, 0, 7)).reserve is None


async def test_the_hot_route_is_the_one_that_is_counted_as_such(api: Api) -> None:
    paths = {route.resource.canonical for route in api.app.router.routes() if route.resource}
    assert RESERVE in paths
