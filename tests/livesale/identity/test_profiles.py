"""Names and avatars: what a buyer sets, and what others see of it in rooms."""

import asyncio
from typing import Any

import pytest
from aiohttp import FormData

from livesale.app import PARTS
from livesale.identity.profiles import service
from livesale.identity.profiles.service import NOBODY, Profiles
from livesale.resources import Deployment
from tests.livesale.api import FAR_MS, Api
from tests.livesale.catalogue.drawn import with_place
from tests.livesale.conftest import Serve
from tests.livesale.stage import on_both
from tests.waiting import until

AVATAR = "https://thirdwx.qlogo.cn/mmopen/vi_32/abc/132"


async def set_me(api: Api, name: str = "ann", **body: Any) -> Any:
    return await api.ask("PATCH", "/v1/me", body, by=api.buyer(name))


async def new_room(api: Api, **more: Any) -> dict[str, Any]:
    new = {"title": "Tea", "host": "host", "starts_ms": FAR_MS} | more
    made = await api.post("/v1/rooms", new, by=api.boss)
    assert made.status == 201, made.body
    return dict(made.body)


@on_both
async def test_a_profile_is_what_its_buyer_sets(api: Api) -> None:
    # given a buyer without one
    empty = {"buyer_id": "ann", "nickname": None, "avatar_url": None, "changed_ms": None}
    assert (await api.get("/v1/me", by=api.buyer())).body == empty
    # when the name is set twice at once, with what nobody can see in it
    both = await asyncio.gather(
        *(set_me(api, nickname="  小\u202e明 \u200b🍵\n") for _ in range(2))
    )
    # then it is cleaned, and the avatar joins it
    assert [reply.body["nickname"] for reply in both] == ["小明 🍵"] * 2
    found = (await set_me(api, avatar_url=AVATAR)).body
    assert (found["nickname"], found["avatar_url"]) == ("小明 🍵", AVATAR)
    assert (await api.get("/v1/me", by=api.buyer())).body == found
    # and WeChat's clients may send it as a POST; null takes one away
    gone = await api.post("/v1/me", {"nickname": None}, by=api.buyer())
    assert (gone.body["nickname"], gone.body["avatar_url"]) == (None, AVATAR)
    assert (await api.get("/v1/me", by=api.buyer("bob"))).body["changed_ms"] is None


async def test_a_bad_name_or_picture_changes_nothing(api: Api) -> None:
    await set_me(api, nickname="Ann")
    for body, code, field in (
        ({"nickname": "\u200b\u2060"}, "invalid_field", "nickname"),
        ({"nickname": "x" * 33}, "invalid_field", "nickname"),
        ({"nickname": ""}, "invalid_field", "nickname"),
        ({"nickname": "加 微.信"}, "name_blocked", "nickname"),
        ({"nickname": "Bob", "avatar_url": "https://evil.example/a.png"}, *_URL),
        ({"avatar_url": "http://thirdwx.qlogo.cn/a"}, *_URL),
        ({"avatar_url": "https://thirdwx.qlogo.cn.evil.example/a"}, *_URL),
        ({"avatar_url": "https://a@thirdwx.qlogo.cn/a"}, *_URL),
        ({"avatar_url": "https://thirdwx.qlogo.cn:444/a"}, *_URL),
        ({"avatar_url": "https://evil.example\\@thirdwx.qlogo.cn/a"}, *_URL),
        ({"avatar_url": "https://["}, *_URL),
        ({"nick": "Bob"}, "unknown_field", "nick"),
    ):
        reply = await set_me(api, **body)
        assert (reply.status, reply.code, reply.body["field"]) == (422, code, field), body
    me = (await api.get("/v1/me", by=api.buyer())).body
    assert (me["nickname"], me["avatar_url"]) == ("Ann", None)


_URL = ("invalid_field", "avatar_url")


async def test_rooms_show_names_with_the_room_s_ids_only(api: Api) -> None:
    # given a host with a profile, and a room; another one whose operator names its host
    await set_me(api, "host", nickname="Mei", avatar_url=AVATAR)
    room = await new_room(api)
    assert (room["host_name"], room["host_avatar_url"]) == ("Mei", AVATAR)
    assert (await new_room(api, host_name="  Tea\nMaster "))["host_name"] == "Tea Master"
    path = f"/v1/rooms/{room['room_id']}"
    await api.post(f"{path}/start", by=api.buyer("host"))
    # when somebody with a name and somebody without comment, and the host, under another name here
    await set_me(api, "ann", nickname="Ann <b>", avatar_url=f"{AVATAR}?a&b")
    edit = {"host_name": "Mei live"}
    assert (await api.ask("PATCH", path, edit, by=api.buyer("host"))).status == 200
    assert (await api.get(path)).status == 200

    async def renamed() -> bool:
        return bool((await api.get(path)).body["host_name"] == "Mei live")

    await until(renamed)
    for name in ("ann", "bob", "host"):
        said = await api.post(f"{path}/comments", {"text": "hi"}, by=api.buyer(name))
        assert said.status == 201, said.body
    # then all see the names, and nobody sees a buyer's id
    snapshot = (await api.get(f"{path}/events")).body["snapshot"]
    seen = [(one["role"], one["nickname"], one["avatar_url"]) for one in snapshot["comments"]]
    assert seen == [
        ("viewer", "Ann <b>", f"{AVATAR}?a&b"),
        ("viewer", None, None),
        ("host", "Mei live", AVATAR),
    ]
    people = {one["nickname"]: one["person_id"] for one in snapshot["comments"]}
    assert "ann" not in str(snapshot["comments"]) and "bob" not in str(snapshot["comments"])
    assert snapshot["room"]["host_name"] == "Mei live"
    # and those who run the room see whom they mute, appoint or look up
    ann = people["Ann <b>"]
    body = {"person_id": ann, "seconds": 60}
    muted = (await api.post(f"{path}/mutes", body, by=api.buyer("host"))).body
    [listed] = (await api.get(f"{path}/mutes", by=api.buyer("host"))).body["bars"]
    assert muted["nickname"] == listed["nickname"] == "Ann <b>"
    after = {"epoch": snapshot_epoch(await api.get(f"{path}/events")), "after": 0}
    told = (await api.get(f"{path}/events?epoch={after['epoch']}&after=0")).body["events"]
    [barred] = [one["viewer"] for one in told if one["type"] == "viewer.barred"]
    assert (barred["nickname"], barred["person_id"]) == ("Ann <b>", ann)
    named = (await api.ask("PUT", f"{path}/assistants/{ann}", by=api.buyer("host"))).body
    assert named["people"] == [
        {"person_id": ann, "nickname": "Ann <b>", "avatar_url": f"{AVATAR}?a&b"}
    ]
    person = (await api.get(f"{path}/people/{ann}", by=api.viewer)).body
    assert (person["buyer_id"], person["nickname"]) == ("ann", "Ann <b>")


def snapshot_epoch(reply: Any) -> str:
    return str(reply.body["epoch"])


async def test_an_avatar_is_uploaded_and_encoded_again(api: Api) -> None:
    # given a photo of a phone, which says where it was taken
    raw, by = with_place(), api.buyer()
    assert b"Secret Maker" in raw
    # when it is uploaded, as wx.uploadFile sends it and as it is
    form = FormData()
    form.add_field("file", raw, filename="a.jpg", content_type="image/jpeg")
    body = form()
    sent = await body.as_bytes()
    kind = body.headers["Content-Type"]
    made = await api.post("/v1/me/avatar", raw=sent, by=by, Content_Type=kind)
    assert made.status == 200, made.body
    again = await api.post("/v1/me/avatar", raw=raw, by=by, Content_Type="image/jpeg")
    assert again.body["avatar_url"] == made.body["avatar_url"]
    # then others see it, without what the file said besides
    me = (await api.get("/v1/me", by=by)).body
    assert me["avatar_url"].startswith("/media/")
    async with api._session.get(f"{api.url}{me['avatar_url']}") as shown:
        found = await shown.read()
    assert (shown.status, shown.headers["Content-Type"]) == (200, "image/jpeg")
    assert b"Secret" not in found
    assert (await api.app[PARTS][Profiles].face("ann")).avatar_url == me["avatar_url"]
    # and what is no picture changes nothing; too many wait
    svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>"
    for bad, code in (
        (svg, "picture_kind"),
        (b"GIF89a", "picture_broken"),
        (b"", "malformed_body"),
        (bytes(6 << 20), "body_too_large"),
        (svg[:-1], "picture_kind"),
        (raw, "slow_down"),
    ):
        sent_bad = await api.post("/v1/me/avatar", raw=bad, by=by, Content_Type="image/png")
        assert sent_bad.code == code
    assert (await api.get("/v1/me", by=by)).body == me


async def test_a_host_s_name_is_checked_like_others(api: Api) -> None:
    room = await new_room(api)
    path = f"/v1/rooms/{room['room_id']}"
    for body, code in (
        ({"host_name": "加微信"}, "name_blocked"),
        ({"host_name": "\u200b"}, "invalid_field"),
        ({"host_avatar_url": "https://evil.example/a.png"}, "invalid_field"),
    ):
        [field] = body
        edited = await api.ask("PATCH", path, body, by=api.buyer("host"))
        new = {"title": "Tea", "host": "host", "starts_ms": FAR_MS} | body
        made = await api.post("/v1/rooms", new, by=api.boss)
        for reply in (edited, made):
            assert (reply.status, reply.code, reply.body["field"]) == (422, code, field)
    assert (await api.get(path)).body["host_name"] is None


async def test_an_operator_takes_a_bad_name_away(api: Api, stage: Deployment, serve: Serve) -> None:
    # given a name that another worker shows
    await set_me(api, nickname="Ann", avatar_url=AVATAR)
    second = await serve(stage)
    there = second.app[PARTS][Profiles]
    assert (await there.face("ann")).nickname == "Ann"
    path = "/v1/admin/buyers/ann/profile"
    assert (await api.get(path, by=api.viewer)).body["nickname"] == "Ann"
    # when it is taken away, twice
    for _ in range(2):
        assert (await api.delete(path, by=api.boss)).body["nickname"] is None
    # then it is gone here, there soon, and the log has what it was
    assert await api.app[PARTS][Profiles].face("ann") == NOBODY
    assert service.FACE_S <= 5.0
    there._faces._ttl_s = 0.0
    there._faces._found.clear()
    assert await there.face("ann") == NOBODY
    log = (await api.get("/v1/admin/actions?object_id=ann", by=api.viewer)).body["actions"]
    assert [one["before"] for one in log] == [
        '{"nickname":null,"avatar_url":null}',
        f'{{"nickname":"Ann","avatar_url":"{AVATAR}"}}',
    ]
    assert (await api.delete(path, by=api.viewer)).code == "forbidden"


async def test_a_comment_does_not_wait_for_a_name(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a known and an unknown face, and a database that hangs
    await set_me(api, nickname="Ann")
    profiles = api.app[PARTS][Profiles]
    known = await profiles.face("ann")
    hangs = asyncio.Event()

    async def hang(*_: Any) -> None:
        await hangs.wait()

    monkeypatch.setattr(service.store, "find_profile", hang)
    monkeypatch.setattr(service, "FACE_WAIT_S", 0.01)
    # when both are shown
    # then the known one has its name, and the other none
    assert await profiles.face("ann") == known
    assert await profiles.face("bob") == NOBODY
    hangs.set()
