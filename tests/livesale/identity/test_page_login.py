"""Logging pages in WeChat's browser in, and who is one person in two apps."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import pytest
from msgspec.structs import replace
from pydantic import SecretStr
from sqlalchemy import func, select
from yarl import URL

from livesale.database.engine import transaction
from livesale.errors import Refused
from livesale.identity.buyer_ids import Identity, wechat_buyer_id
from livesale.identity.page_login import LIFE_S, PageLogin
from livesale.identity.store import find_subject, know_buyer
from livesale.identity.tables import buyers, joined_logins, wechat_unions
from livesale.resources import Deployment
from livesale.settings import load_settings
from livesale.tokens.apps import App
from livesale.tokens.errors import LoginStateInvalid
from livesale.tokens.keyring import Keyring
from livesale.tokens.signing import Buyer
from tests.livesale.api import Api, Reply
from tests.livesale.conftest import Serve
from tests.livesale.stage import on_both
from tests.twins.wechat_oauth import WeChatOAuthTwin

APP, ACCOUNT = ("wx-app", "app-secret"), ("wx-account", "account-secret")
ORIGIN = "https://shop.example"
FLAGS = {
    "official_account__appid": ACCOUNT[0],
    "official_account__secret": ACCOUNT[1],
    "official_account__origin": ORIGIN,
}


class Watch:
    """The clock of the twin."""

    def __init__(self) -> None:
        self.later_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.later_s


class Browser:
    """A person with WeChat's browser, and the cookie that a service gave it."""

    def __init__(self, api: Api, twin: WeChatOAuthTwin, openid: str) -> None:
        self.api, self.twin, self.openid = api, twin, openid
        self.cookie = ""

    async def begin(self, to: str = "/shop/room") -> str:
        """Where WeChat leads back to."""
        reply = await self.api.get(f"/v1/wechat/login?to={to}", follow=False)
        assert reply.status == 303, reply.body
        self._keep(reply)
        self.twin.person = self.openid
        location = reply.headers["Location"]
        assert location.endswith("#wechat_redirect")
        async with (
            aiohttp.ClientSession() as session,
            session.get(URL(location, encoded=True), allow_redirects=False) as led,
        ):
            assert led.status == 302, await led.text()
            return led.headers["Location"]

    async def end(self, back: str, cookie: str | None = None) -> Reply:
        """Send what stands behind the address of the page."""
        given = dict(parse_qsl(urlsplit(back).query))
        body = {"provider": "wechat_h5", "code": given["code"], "state": given["state"]}
        sent = self.cookie if cookie is None else cookie
        reply = await self.api.post("/v1/sessions", body, **({"Cookie": sent} if sent else {}))
        if reply.status == 201:
            self._keep(reply)
        return reply

    async def log_in(self) -> str:
        """The buyer."""
        reply = await self.end(await self.begin())
        assert reply.status == 201, reply.body
        return str(reply.body["buyer_id"])

    def _keep(self, reply: Reply) -> None:
        pair = reply.headers["Set-Cookie"].partition(";")[0]
        self.cookie = "" if pair.endswith("=") else pair


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
async def twin(watch: Watch) -> AsyncIterator[WeChatOAuthTwin]:
    twin = WeChatOAuthTwin(APP, ACCOUNT, ORIGIN, watch)
    yield twin
    await twin.stop()


@pytest.fixture
async def pages(stage: Deployment, serve: Serve, twin: WeChatOAuthTwin) -> Api:
    settings = stage.settings
    base_url = await twin.start()
    wechat = settings.wechat.model_copy(
        update={"appid": APP[0], "secret": SecretStr(APP[1]), "base_url": base_url}
    )
    account = settings.official_account.model_copy(
        update={
            "appid": ACCOUNT[0],
            "secret": SecretStr(ACCOUNT[1]),
            "origin": ORIGIN,
            "authorize_url": f"{base_url}/connect/oauth2/authorize",
        }
    )
    changed = {"wechat": wechat, "official_account": account}
    return await serve(replace(stage, settings=settings.model_copy(update=changed)))


async def in_mini_program(api: Api, twin: WeChatOAuthTwin, openid: str) -> str:
    """The buyer of a login in the mini-program."""
    body = {"provider": "wechat", "code": twin.code_of(openid)}
    reply = await api.post("/v1/sessions", body)
    assert reply.status == 201, reply.body
    return str(reply.body["buyer_id"])


async def counts(api: Api) -> list[int]:
    """Buyers, joined logins, union ids."""
    async with transaction(api.deployment.sql, write=False) as connection:
        return [
            await connection.scalar(select(func.count()).select_from(table)) or 0
            for table in (buyers, joined_logins, wechat_unions)
        ]


async def test_a_page_logs_in(pages: Api, twin: WeChatOAuthTwin, watch: Watch) -> None:
    # given somebody on a page, in WeChat's browser
    ann = Browser(pages, twin, "h-ann")
    # when the page goes to WeChat and comes back
    back = await ann.begin("/shop/room%3Fid=r1%23top")
    # then it is the same page of our origin, with a code
    assert re.fullmatch(
        re.escape(f"{ORIGIN}/shop/room?id=r1&code=") + r"\w+&state=[0-9a-f]{48}#top", back
    )
    cookie = ann.cookie
    reply = await ann.end(back)
    assert reply.status == 201
    # and the token says by which app it came; the openid is nowhere
    caller = pages.signer.verify(reply.body["token"])
    assert isinstance(caller, Buyer)
    assert (caller.app, caller.buyer_id) == (App.OFFICIAL_ACCOUNT, reply.body["buyer_id"])
    assert caller.buyer_id == wechat_buyer_id(ACCOUNT[0], "h-ann")
    assert b"h-ann" not in reply.raw
    # and it buys, on both lanes
    drop_id = await pages.open_drop()
    bought = await pages.post(f"/v1/drops/{drop_id}/reservations", by=reply.body["token"])
    assert bought.status == 201
    assert (await pages.get("/v1/me", by=reply.body["token"])).status == 200
    # and the code is good once: for a browser that has forgotten, and for one that has not
    assert ann.cookie == ""
    assert (await ann.end(back)).code == "login_state"
    assert (await ann.end(back, cookie)).code == "invalid_code"
    # and not after five minutes
    back = await ann.begin()
    watch.later_s = 301.0
    assert (await ann.end(back)).code == "invalid_code"
    assert await counts(pages) == [1, 0, 0]


async def test_the_cookie_is_for_this_browser_only(pages: Api) -> None:
    reply = await pages.get("/v1/wechat/login", follow=False)
    name, *flags = reply.headers["Set-Cookie"].split("; ")
    assert name.startswith("livesale-login=")
    assert flags == ["Max-Age=600", "Path=/", "HttpOnly", "SameSite=Lax"]
    assert reply.headers["Cache-Control"] == "no-store"
    # and in prod no other host sets it
    prod = load_settings(**FLAGS, env="prod", auth__secret="0123456789abcdef" * 4, **_PROD)
    made = PageLogin(prod, Keyring.from_settings(prod)).begin("/shop")["Set-Cookie"]
    assert made.startswith("__Host-livesale-login=")
    assert made.endswith("; Path=/; HttpOnly; SameSite=Lax; Secure")


_PROD = {"payments__allow_simulated": True, "auth__dev_login": False}


async def test_nobody_logs_somebody_else_in(pages: Api, twin: WeChatOAuthTwin) -> None:
    # given a stranger's code, and the state that came with it
    eve, ann = Browser(pages, twin, "h-eve"), Browser(pages, twin, "h-ann")
    trap = await eve.begin()
    back = await ann.begin()
    # when another browser sends them: without a cookie, with its own, with a second one
    for cookie in ("", ann.cookie, f"{ann.cookie}; {eve.cookie}", "livesale-login=x"):
        reply = await ann.end(trap, cookie)
        # then it stays who it was, and WeChat was not asked
        assert (reply.status, reply.code) == (401, "login_state"), cookie
    # and no altered state passes
    for state in ("0" * 48, *(_altered(back, at) for at in (0, 7, 8, 47))):
        body = {"provider": "wechat_h5", "code": "0123", "state": state}
        assert (await pages.post("/v1/sessions", body, Cookie=ann.cookie)).code == "login_state"
    assert twin.asked == 0
    assert await counts(pages) == [0, 0, 0]
    # and the right browser logs in with the right one
    assert (await ann.end(back)).status == 201


def _altered(back: str, at: int) -> str:
    state = dict(parse_qsl(urlsplit(back).query))["state"]
    return f"{state[:at]}{'0' if state[at] != '0' else '1'}{state[at + 1 :]}"


def test_a_login_ends_after_ten_minutes() -> None:
    # given a login that was begun, and a second key since
    settings = load_settings(**FLAGS, auth__secret="0123456789abcdef" * 4)
    old, now_s = Keyring("k1", b"old" * 20), 1_000_000.0
    login = PageLogin(settings, old, lambda: now_s)
    sent = login.begin("/shop")
    state = dict(parse_qsl(urlsplit(sent["Location"]).query))["state"]
    given = {"Cookie": sent["Set-Cookie"].partition(";")[0]}
    new = PageLogin(settings, Keyring("k2", b"new" * 20, {"k1": b"old" * 20}), lambda: now_s)
    # then both take it until its end
    now_s += LIFE_S - 1
    login.check(state, given)
    new.check(state, given)
    now_s += 1
    with pytest.raises(LoginStateInvalid, match="too long ago"):
        new.check(state, given)


@pytest.mark.parametrize(
    "to",
    [
        *("//evil.example", "/%5Cevil.example", "https://evil.example", "shop", "/a%5Cb"),
        *("javascript:alert(1)", "/v1/admin/actions", "/a%0d%0aSet-Cookie:x", "/a%20b", "/茶"),
        *("/" + "a" * 512, "%2F%2Fevil.example", "@evil.example", ".evil.example"),
    ],
)
async def test_the_way_leads_to_our_own_origin_only(pages: Api, to: str) -> None:
    reply = await pages.get(f"/v1/wechat/login?to={to}", follow=False)
    assert (reply.status, reply.code) == (400, "invalid_parameter")
    assert reply.body["field"] == "to"
    assert not {"Location", "Set-Cookie"} & set(reply.headers)


async def test_what_a_page_cannot_send(pages: Api, api: Api, twin: WeChatOAuthTwin) -> None:
    for body, status, code in (
        ({"provider": "wechat_h5", "code": "x"}, 422, "missing_field"),
        ({"provider": "wechat_h5", "code": "x", "state": "0" * 47}, 422, "invalid_field"),
        ({"provider": "wechat_h5", "code": "x", "state": "G" * 48}, 422, "invalid_field"),
        ({"provider": "wechat", "code": "x", "state": "0" * 48}, 422, "invalid_field"),
    ):
        reply = await pages.post("/v1/sessions", body)
        assert (reply.status, reply.code, reply.body["field"]) == (status, code, "state")
    # and where it is off, it is off
    body = {"provider": "wechat_h5", "code": "x", "state": "0" * 48}
    assert (await api.post("/v1/sessions", body)).code == "provider_off"
    assert (await api.get("/v1/wechat/login", follow=False)).code == "provider_off"
    # and WeChat's refusals are those of its other login
    for errcode, code in ((40226, "login_blocked"), (45011, "login_too_often"), (-1, None)):
        twin.errcode_of["h-ann"] = errcode
        ann = Browser(pages, twin, "h-ann")
        assert (await ann.end(await ann.begin())).code == (code or "login_unavailable")


async def test_a_snapshot_of_a_page_logs_nobody_in(pages: Api, twin: WeChatOAuthTwin) -> None:
    # given a virtual user, with the union id of a real one
    twin.union_of = {"o-ann": "u-ann", "h-virtual": "u-ann"}
    twin.snapshots = {"h-virtual"}
    await in_mini_program(pages, twin, "o-ann")
    virtual = Browser(pages, twin, "h-virtual")
    reply = await virtual.end(await virtual.begin())
    assert (reply.status, reply.code) == (403, "login_snapshot")
    assert await counts(pages) == [1, 0, 1]


async def test_a_person_is_one_buyer_in_both_apps_if_wechat_says_so(
    pages: Api, twin: WeChatOAuthTwin
) -> None:
    twin.union_of = {"o-ann": "u-ann", "h-ann": "u-ann", "o-bob": "u-bob", "h-bob": "u-bob"}
    # when one comes by the mini-program first, and one by a page
    ann = await in_mini_program(pages, twin, "o-ann")
    bob = await Browser(pages, twin, "h-bob").log_in()
    # then the other app knows them, each time
    for _ in range(2):
        assert await Browser(pages, twin, "h-ann").log_in() == ann
        assert await in_mini_program(pages, twin, "o-bob") == bob
    assert await counts(pages) == [2, 2, 2]
    # and each has a name in each app
    sql = pages.deployment.sql
    for buyer_id, name in ((ann, "ann"), (bob, "bob")):
        assert await find_subject(sql, buyer_id, "wechat", APP[0]) == f"o-{name}"
        assert await find_subject(sql, buyer_id, "wechat_h5", ACCOUNT[0]) == f"h-{name}"
    # and when WeChat no longer tells, they are still the same
    twin.union_of = {}
    assert await Browser(pages, twin, "h-ann").log_in() == ann


async def test_no_two_people_become_one(pages: Api, twin: WeChatOAuthTwin) -> None:
    # given people of whom WeChat does not say that they are one
    ann = await in_mini_program(pages, twin, "o-ann")
    page_ann = await Browser(pages, twin, "h-ann").log_in()
    assert ann != page_ann
    # when it says so later: both have orders by now
    twin.union_of = {"o-ann": "u-ann", "h-ann": "u-ann"}
    for _ in range(2):
        # then each stays who it is
        assert await Browser(pages, twin, "h-ann").log_in() == page_ann
        assert await in_mini_program(pages, twin, "o-ann") == ann
    # and two openids of one app are two people, whatever WeChat says
    twin.union_of |= {"o-bob": "u-bob", "o-eve": "u-bob", "h-bob": "u-bob"}
    bob = await in_mini_program(pages, twin, "o-bob")
    for _ in range(2):
        assert await in_mini_program(pages, twin, "o-eve") != bob
    assert await Browser(pages, twin, "h-bob").log_in() == bob
    assert await counts(pages) == [4, 1, 2]


async def test_a_shop_with_a_new_mini_program_knows_its_people(stage: Deployment) -> None:
    # given a buyer of the old one, and the same person in the new one
    old = Identity(wechat_buyer_id("wx-old", "o1"), "wechat", "o1", "wx-old", "u1")
    new = Identity(wechat_buyer_id("wx-new", "o2"), "wechat", "o2", "wx-new", "u1")
    buyer_id = await know_buyer(stage.sql, old)
    assert await know_buyer(stage.sql, new) == buyer_id == old.buyer_id
    # then WeChat is told the openid of the app that asks
    for appid, openid in (("wx-old", "o1"), ("wx-new", "o2"), ("", "o1")):
        assert await find_subject(stage.sql, buyer_id, "wechat", appid) == openid


@on_both
async def test_a_first_login_in_both_apps_at_once_is_one_buyer(stage: Deployment) -> None:
    def login(app: tuple[str, str], number: int) -> Identity:
        appid, provider = app
        openid = f"{provider}-{number}"
        return Identity(wechat_buyer_id(appid, openid), provider, openid, appid, f"union-{number}")

    async def twice(number: int) -> set[str]:
        apps = (("wx-app", "wechat"), ("wx-account", "wechat_h5")) * 2
        found: list[Any] = await asyncio.gather(
            *(know_buyer(stage.sql, login(app, number)) for app in apps)
        )
        return set(found)

    for number in range(8):
        assert len(await twice(number)) == 1
    async with transaction(stage.sql, write=False) as connection:
        for table in (buyers, joined_logins, wechat_unions):
            assert await connection.scalar(select(func.count()).select_from(table)) == 8


@pytest.mark.parametrize(
    ("flags", "setting"),
    [
        ({"official_account__secret": ""}, "SECRET"),
        ({"official_account__origin": ""}, "ORIGIN"),
        ({"official_account__origin": "https://shop.example/"}, "ORIGIN"),
        ({"wechat__appid": ACCOUNT[0]}, "APPID"),
        (
            {"official_account__origin": "http://shop.example", "env": "prod"}
            | {"auth__secret": "0123456789abcdef" * 4}
            | _PROD,
            "ORIGIN",
        ),
    ],
)
def test_settings_that_could_not_log_in(flags: dict[str, Any], setting: str) -> None:
    with pytest.raises(Refused, match=f"LIVESALE__OFFICIAL_ACCOUNT__{setting}"):
        load_settings(**FLAGS | flags)
