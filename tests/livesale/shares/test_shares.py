"""Rooms are shared by short codes, and by codes of the mini-program that WeChat draws once."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web
from redis.asyncio import Redis
from sqlalchemy import func, select

from livesale.app import PARTS, build_app
from livesale.database.session import session
from livesale.shares import codes
from livesale.shares.service import Shares
from livesale.shares.tables import shares
from tests.livesale.api import FAR_MS, Api
from tests.livesale.conftest import Serve
from tests.livesale.stage import open_stage
from tests.servers import Valkey
from tests.twins.wechat_codes import WeChatCodesTwin

APPID, SECRET, PAGE = "wx0123456789abcdef", "the secret of the mini-program", "pages/room/index"


@pytest.fixture
async def twin() -> AsyncIterator[WeChatCodesTwin]:
    twin = WeChatCodesTwin(APPID, SECRET, {PAGE})
    yield twin
    await twin.stop()


@pytest.fixture
async def api(
    redis: Redis,
    redis_server: Valkey,
    sqlite_url: str,
    tmp_path: Path,
    twin: WeChatCodesTwin,
) -> AsyncIterator[Api]:
    flags = {
        "wechat__appid": APPID,
        "wechat__secret": SECRET,
        "wechat__base_url": await twin.start(),
    }
    async with open_stage(redis, redis_server.url, sqlite_url, tmp_path, **flags) as stage:
        api = Api(build_app(stage), stage)
        await api.start()
        yield api
        await api.stop()


async def make_room(api: Api) -> str:
    body = {"title": "Tea time", "host": "host", "starts_ms": FAR_MS}
    return str((await api.post("/v1/rooms", body, by=api.boss)).body["room_id"])


async def follow(api: Api, path: str) -> tuple[int, str]:
    """The answer of a path, and where it leads."""
    async with (
        aiohttp.ClientSession() as client,
        client.get(f"{api.url}{path}", allow_redirects=False) as answer,
    ):
        return answer.status, answer.headers.get("Location", "")


async def test_a_room_has_one_short_code_that_leads_everybody_to_it(api: Api) -> None:
    # given a room, when many ask for its card at once, on two workers
    room_id = await make_room(api)
    other = Api(build_app(api.deployment), api.deployment)
    await other.start()
    replies = await asyncio.gather(
        *(one.get(f"/v1/rooms/{room_id}/share") for one in (api, other) * 5)
    )
    await other.stop()
    # then it has one code, which fits WeChat's scene
    [code] = {reply.body["code"] for reply in replies}
    async with session(api.deployment.sql) as connection:
        assert await connection.scalar(select(func.count()).select_from(shares)) == 1
    card = replies[0].body
    assert len(card["scene"]) <= codes.MAX_SCENE
    assert (card["room"]["title"], card["online"]) == ("Tea time", 0)
    assert card["page"] == f"{PAGE}?id={room_id}"
    # and the mini-program finds the room by it, and a browser its page
    assert (await api.get(f"/v1/shares/{card['scene']}")).body == card
    assert await follow(api, card["path"]) == (303, f"/shop/#/pages/room/index?id={room_id}")
    # and another room has another one, and no code is none
    assert (await api.get(f"/v1/rooms/{await make_room(api)}/share")).body["code"] != code
    for path in ("/v1/shares/22222222", "/s/22222222", "/v1/shares/O0", "/s/%0d%0a"):
        assert (await api.get(path)).code == "unknown_share", path
    assert (await api.get("/v1/rooms/rnosuch/share")).code == "unknown_room"


async def test_wechat_draws_a_code_once_and_it_is_kept_as_a_picture(
    api: Api, twin: WeChatCodesTwin
) -> None:
    # given a room, and a token that WeChat has forgotten meanwhile
    card = (await api.get(f"/v1/rooms/{await make_room(api)}/share")).body
    first = (await api.get(f"/v1/rooms/{await make_room(api)}/share")).body
    assert (await follow(api, first["wxacode_path"]))[0] == 303
    twin.forget_tokens()
    # when a crowd wants its code
    found = await asyncio.gather(*(follow(api, card["wxacode_path"]) for _ in range(20)))
    # then WeChat drew it once, with the short code, by a new token
    assert twin.drawn == [first["scene"], card["scene"]]
    assert twin.tokens_given == 2
    [(status, location)] = set(found)
    assert status == 303
    # and it is a picture of this service, the same for another worker that never asked WeChat
    picture = await api.get(urlsplit(location).path)
    assert picture.headers["Content-Type"] == "image/jpeg"
    assert picture.raw.startswith(b"\xff\xd8")
    other = Api(build_app(api.deployment), api.deployment)
    await other.start()
    assert await follow(other, card["wxacode_path"]) == (303, location)
    await other.stop()
    assert len(twin.drawn) == 2
    assert (await follow(api, first["wxacode_path"]))[1] != location


async def nonsense() -> web.StreamResponse:
    return web.Response(status=502, text="{bad gateway")


async def nothing() -> web.StreamResponse:
    return web.Response(body=b"", content_type="image/jpeg")


async def no_picture() -> web.StreamResponse:
    return web.Response(body=b"no picture at all", content_type="image/jpeg")


async def test_a_code_that_wechat_does_not_give_is_asked_for_again_later(
    api: Api, twin: WeChatCodesTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a page that is not released
    monkeypatch.setattr("livesale.shares.service.PAUSE_S", 600.0)
    path = (await api.get(f"/v1/rooms/{await make_room(api)}/share")).body["wxacode_path"]
    twin.pages.clear()
    # when it is asked for, then the reason is said, and WeChat is spared for a while
    for _ in range(3):
        refused = await api.get(path)
        assert (refused.status, refused.code) == (503, "wxacode_unavailable")
        assert "41030" in refused.body["detail"]
    assert twin.asked == 1
    # and so it is when WeChat is busy, or answers what it does not document
    monkeypatch.setattr("livesale.shares.service.PAUSE_S", 0.0)
    waiting = api.app[PARTS][Shares]._away
    waiting.clear()
    twin.pages.add(PAGE)
    twin.errcode = 45009
    assert "45009" in (await api.get(path)).body["detail"]
    twin.errcode = 0
    for answer in (nonsense, nothing, no_picture):
        twin.instead = answer
        assert (await api.get(path)).code == "wxacode_unavailable", answer.__name__
    # when it is well again, with a token that has ended, then the code comes
    twin.instead = None
    twin.end_tokens()
    assert (await follow(api, path))[0] == 303
    assert len(twin.drawn) == 1


async def test_without_a_mini_program_there_are_links_only(
    redis: Redis, redis_server: Valkey, sqlite_url: str, tmp_path: Path, serve: Serve
) -> None:
    flags = {"shop__room_url": "https://shop.example/live/{id}"}
    async with open_stage(redis, redis_server.url, sqlite_url, tmp_path, **flags) as stage:
        api = await serve(stage)
        room_id = await make_room(api)
        card = (await api.get(f"/v1/rooms/{room_id}/share")).body
        assert card["wxacode_path"] is None
        off = await api.get(f"/v1/shares/{card['code']}/wxacode")
        assert (off.status, off.code) == (404, "wxacode_off")
        assert await follow(api, card["path"]) == (303, f"https://shop.example/live/{room_id}")
