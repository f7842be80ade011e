"""Setting a reminder, looking at it and taking it back, over HTTP."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from livesale.app import PARTS, build_app
from livesale.errors import Refused
from livesale.ledger.writer import Writer
from livesale.reminders.service import Reminders
from livesale.resources import Deployment
from livesale.settings import load_settings
from tests.livesale.api import FAR_MS, Api, outdate
from tests.livesale.reminders.conftest import DROP_TEMPLATE, ROOM_TEMPLATE, People, flags_for
from tests.livesale.stage import running, until_written


@pytest.fixture
async def api(stage: Deployment) -> AsyncIterator[Api]:
    api = Api(build_app(stage), stage)
    await api.start()
    yield api
    await api.stop()


async def make_room(api: Api) -> str:
    body = {"title": "Tea time", "host": "host", "starts_ms": FAR_MS}
    return str((await api.post("/v1/rooms", body, by=api.boss)).body["room_id"])


async def test_a_reminder_is_set_read_and_taken_back(api: Api, people: People) -> None:
    # given a room, a drop that opens later, and somebody who may be reached
    room_id = await make_room(api)
    drop_id = str((await api.create_drop(opens_ms=FAR_MS - 1))["drop_id"])
    ann = api.buyer(await people.come("ann"))
    for path, template_id, begins_ms in (
        (f"/v1/rooms/{room_id}/reminder", ROOM_TEMPLATE, FAR_MS),
        (f"/v1/drops/{drop_id}/reminder", DROP_TEMPLATE, FAR_MS - 1),
    ):
        # when it is looked at, set twice, and taken back twice
        before = await api.get(path, by=ann)
        set_once, set_again = [await api.ask("PUT", path, by=ann) for _ in range(2)]
        seen = await api.get(path, by=ann)
        gone, gone_again = [await api.delete(path, by=ann) for _ in range(2)]
        # then each says what is so
        assert before.body["state"] == gone.body["state"] == gone_again.body["state"] == "none"
        assert set_once.body == set_again.body == seen.body
        assert seen.body["state"] == "waiting"
        assert (seen.body["template_id"], seen.body["begins_ms"]) == (template_id, begins_ms)
        assert seen.body["remind_ms"] == begins_ms - 600_000


async def test_a_list_has_ones_own_only(api: Api, people: People) -> None:
    room_id = await make_room(api)
    ann, bob = api.buyer(await people.come("ann")), api.buyer(await people.come("bob"))
    await api.ask("PUT", f"/v1/rooms/{room_id}/reminder", by=ann)
    found = await api.get("/v1/reminders", by=ann)
    assert [(one["kind"], one["target_id"]) for one in found.body["reminders"]] == [
        ("room", room_id)
    ]
    assert (await api.get("/v1/reminders", by=bob)).body == {"reminders": []}
    assert (await api.get(f"/v1/rooms/{room_id}/reminder", by=bob)).body["state"] == "none"


async def test_what_has_begun_is_refused(api: Api, people: People) -> None:
    ann = api.buyer(await people.come("ann"))
    room_id = await make_room(api)
    room, drop = f"/v1/rooms/{room_id}", f"/v1/drops/{await api.open_drop()}"
    await api.post(f"{room}/start", by=api.boss)
    assert (await api.ask("PUT", f"{room}/reminder", by=ann)).code == "room_state"
    await api.post(f"{room}/end", by=api.boss)
    assert (await api.ask("PUT", f"{room}/reminder", by=ann)).code == "room_over"
    # its state in SQL follows the log: that it has been opened is known by then
    async with running(Writer(api.deployment)):
        await until_written(api.deployment)
        assert (await api.ask("PUT", f"{drop}/reminder", by=ann)).code == "already_open"
    for path, code in (("rooms/rnosuch", "unknown_room"), ("drops/nosuch", "unknown_drop")):
        for method in ("GET", "PUT", "DELETE"):
            reply = await api.ask(method, f"/v1/{path}/reminder", by=ann)
            assert (reply.status, reply.code) == (404, code)


async def test_a_stranger_to_wechat_is_not_reachable(api: Api) -> None:
    path = f"/v1/rooms/{await make_room(api)}/reminder"
    assert (await api.ask("PUT", path, by=api.buyer("dev-ann"))).code == "not_reachable"


async def test_a_buyer_waits_for_so_many_even_at_once(api: Api, people: People) -> None:
    # given a limit of three, and five rooms
    ann = api.buyer(await people.come("ann"))
    paths = [f"/v1/rooms/{await make_room(api)}/reminder" for _ in range(5)]
    # when all are asked for at once
    replies = await asyncio.gather(*(api.ask("PUT", path, by=ann) for path in paths))
    # then three wait
    assert sorted(reply.status for reply in replies) == [200] * 3 + [409] * 2
    assert {reply.code for reply in replies if reply.status == 409} == {"too_many_reminders"}
    assert len((await api.get("/v1/reminders", by=ann)).body["reminders"]) == 3


async def test_a_room_is_waited_for_by_so_many(stage: Deployment, people: People) -> None:
    reminders = stage.settings.reminders.model_copy(update={"max_per_target": 2})
    settings = stage.settings.model_copy(update={"reminders": reminders})
    api = Api(build_app(replace(stage, settings=settings)), stage)
    await api.start()
    path = f"/v1/rooms/{await make_room(api)}/reminder"
    codes = []
    for name in ("ann", "bob", "eve"):
        reply = await api.ask("PUT", path, by=api.buyer(await people.come(name)))
        codes.append(reply.status)
        outdate(api.app[PARTS][Reminders]._counts)
    await api.stop()
    assert codes == [200, 200, 409]


async def test_where_it_is_off_everything_says_so(stage: Deployment, people: People) -> None:
    # given settings with a template for rooms only, and with none
    ann = await people.come("ann")
    for off, codes in (
        ({"drop_template_id": ""}, {"rooms": 200, "drops": 404, "reminders": 200}),
        (
            {"drop_template_id": "", "room_template_id": "", "hold_template_id": ""},
            {"rooms": 404, "drops": 404, "reminders": 404},
        ),
    ):
        reminders = stage.settings.reminders.model_copy(update=off)
        settings = stage.settings.model_copy(update={"reminders": reminders})
        api = Api(build_app(replace(stage, settings=settings)), stage)
        await api.start()
        room_id = await make_room(api)
        drop_id = (await api.create_drop(opens_ms=FAR_MS - 1))["drop_id"]
        # when each is asked for
        asked = [("reminders", "GET", "/v1/reminders")]
        for method in ("GET", "PUT", "DELETE"):
            asked.append(("rooms", method, f"/v1/rooms/{room_id}/reminder"))
            asked.append(("drops", method, f"/v1/drops/{drop_id}/reminder"))
        # then what is off is off, whole
        for what, method, path in asked:
            reply = await api.ask(method, path, by=api.buyer(ann))
            assert reply.status == codes[what], (method, path)
            assert reply.status == 200 or reply.code == "reminders_off"
        await api.stop()


@pytest.mark.parametrize(
    ("flags", "setting"),
    [
        ({"wechat__appid": ""}, "WECHAT__APPID"),
        ({"wechat__secret": ""}, "WECHAT__SECRET"),
        ({"reminders__room_texts": {}}, "REMINDERS__ROOM_TEXTS"),
        ({"reminders__drop_texts": {}}, "REMINDERS__DROP_TEXTS"),
        ({"reminders__drop_texts": {"name1": "{title}"}}, "REMINDERS__DROP_TEXTS"),
        ({"reminders__room_template_id": "a b"}, "REMINDERS__ROOM_TEMPLATE_ID"),
    ],
)
def test_settings_that_could_not_work_are_refused(flags: dict[str, object], setting: str) -> None:
    with pytest.raises(Refused) as caught:
        load_settings(**(flags_for("https://api.weixin.qq.com") | flags))
    assert caught.value.setting == f"LIVESALE__{setting}"
