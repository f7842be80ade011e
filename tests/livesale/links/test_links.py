"""Links that open the mini-program: one for a page, made by WeChat's twin, kept, and bounded."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace
from pydantic import SecretStr

from livesale.app import PARTS
from livesale.errors import Refused
from livesale.links.service import DAY_MS, MiniProgramLinks
from livesale.resources import Deployment
from livesale.settings import load_settings
from tests.livesale.api import FAR_MS, Api, outdate
from tests.livesale.conftest import Serve
from tests.twins.wechat_links import WeChatLinksTwin

PAGES = {"drop_page": "pages/drop/index?id={id}&from=web"}


@pytest.fixture
async def twin() -> AsyncIterator[WeChatLinksTwin]:
    twin = WeChatLinksTwin("wx-app", "app-secret", {"pages/room/index", "pages/drop/index"})
    yield twin
    await twin.stop()


@pytest.fixture
async def shop(stage: Deployment, serve: Serve, twin: WeChatLinksTwin) -> Api:
    settings = stage.settings
    wechat = settings.wechat.model_copy(
        update={
            "appid": "wx-app",
            "secret": SecretStr("app-secret"),
            "base_url": await twin.start(),
        }
    )
    program = settings.mini_program.model_copy(update=PAGES | {"links_per_s": 100.0})
    changed = {"wechat": wechat, "mini_program": program}
    return await serve(replace(stage, settings=settings.model_copy(update=changed)))


def link(page: str, object_id: str = "") -> str:
    return f"/v1/mini-program/link?page={page}&id={object_id}"


async def test_everybody_gets_the_same_link(shop: Api, twin: WeChatLinksTwin) -> None:
    # given a drop and a room
    drop_id = await shop.open_drop()
    made = await shop.post(
        "/v1/rooms", {"title": "Tea", "host": "host", "starts_ms": FAR_MS}, by=shop.boss
    )
    room_id = made.body["room_id"]
    # when many ask at once, for each page that there is
    for page, object_id, path, query in (
        ("home", "", "", ""),
        ("drop", drop_id, "pages/drop/index", f"id={drop_id}&from=web"),
        ("room", room_id, "pages/room/index", f"id={room_id}"),
    ):
        replies = await asyncio.gather(*(shop.get(link(page, object_id)) for _ in range(10)))
        # then WeChat made one, which opens this page, for nearly a month
        assert {reply.status for reply in replies} == {200}
        (url,) = {reply.body["url"] for reply in replies}
        asked = twin.made[url]
        assert (asked["path"], asked["query"]) == (path, query)
        left_ms = replies[0].body["expires_ms"] - await shop.deployment.engine.now_ms()
        assert 28 * DAY_MS < left_ms <= 29 * DAY_MS
        assert replies[0].headers["Cache-Control"] == "public, max-age=3600"
    assert len(twin.made) == 3
    # and a client knows where to ask
    config = await shop.get("/v1/config")
    assert config.body["features"]["mini_program"] == {
        "home": True,
        "room": True,
        "drop": True,
        "product": False,
    }


async def test_there_are_no_links_to_nothing(shop: Api, api: Api, twin: WeChatLinksTwin) -> None:
    for path, status, code in (
        (link("drop", "nosuch"), 404, "unknown_drop"),
        (link("room", "rnosuch"), 404, "unknown_room"),
        (link("product", "nosuch"), 404, "no_mini_program"),
        (link("drop"), 400, "invalid_parameter"),
        (link("home", "x"), 400, "invalid_parameter"),
        (link("cart"), 400, "invalid_parameter"),
        (link("drop", "a%26b"), 400, "invalid_parameter"),
        (link("drop", "a" * 16), 400, "invalid_parameter"),
    ):
        reply = await shop.get(path)
        assert (reply.status, reply.code) == (status, code), path
    assert twin.made == {}
    # and none at all without a mini-program
    assert (await api.get(link("home"))).code == "no_mini_program"


async def test_when_wechat_makes_none(shop: Api, twin: WeChatLinksTwin) -> None:
    # given a page with a link, and a WeChat that makes no more
    drop_id, other = await shop.open_drop(), await shop.open_drop()
    first = (await shop.get(link("drop", drop_id))).body
    twin.errcode = 45009
    # when the link is a day old, then it is still given; a new one is not
    links = shop.app[PARTS][MiniProgramLinks]
    outdate(links._links)
    assert (await shop.get(link("drop", drop_id))).body == first
    reply = await shop.get(link("drop", other))
    assert (reply.status, reply.code) == (503, "link_unavailable")
    # and not after its end
    now_ms = links._now_ms
    links._now_ms = lambda: now_ms() + 30 * DAY_MS
    assert (await shop.get(link("drop", drop_id))).code == "link_unavailable"
    # when WeChat is back and has forgotten our token, then there are links again
    twin.errcode = 0
    twin.tokens.clear()
    assert (await shop.get(link("drop", other))).status == 200


@pytest.mark.parametrize(
    "page", ["pages/room/index", "/pages/room?id={id}", "pages/room?id={id}#x", "pages/房?id={id}"]
)
def test_pages_that_no_link_could_open(page: str) -> None:
    with pytest.raises(Refused, match="LIVESALE__MINI_PROGRAM__DROP_PAGE"):
        load_settings(mini_program__drop_page=page)
