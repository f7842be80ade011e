"""No client of ours follows http_proxy: what goes to this machine must not leave it. WeChat alone
may be behind a proxy, which a setting names."""

import asyncio
import re
from pathlib import Path

import aiohttp
import pytest

from livesale.errors import Refused
from livesale.identity.login import WeChatLogin
from livesale.settings import load_settings
from livesale.wechat.client import open_session, proxy_for
from loadtests.history import Watched
from loadtests.line import Request, at_once
from loadtests.plain_line import PlainLine
from loadtests.seat import Gone, Seat
from loadtests.target import TargetAway, check_answers
from loadtests.wire import BlockingWire
from tests.loadtests.answering import answering, response
from tests.twins.wechat_login import WeChatLoginTwin

HOUSE = Path(__file__).parent.parent
NOBODY = "http://127.0.0.1:9"
# Libraries that follow the environment unless they are told otherwise.
FOLLOWS = re.compile(r"import requests|from requests|import httpx|urllib\.request|trust_env=True")


@pytest.fixture
def _proxied(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, NOBODY)
        monkeypatch.setenv(name.upper(), NOBODY)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("_proxied")
async def test_clients_of_this_machine_go_straight() -> None:
    async def refuse(_: bytes) -> bytes:
        return response(403)

    async with answering(refuse) as target:
        # a viewer's socket
        with pytest.raises(Gone) as gone:
            await asyncio.to_thread(BlockingWire, target, Seat(Watched("r")), "")
        assert gone.value.code == 403
        # load tests before and after the play
        with pytest.raises(TargetAway, match="gave 403"):
            await asyncio.to_thread(check_answers, target)
        with PlainLine(target) as line:
            asked = line.carry(Request("", "GET", "/"))
            assert (await asyncio.to_thread(at_once, asked)).status == 403
        # calls to services outside that a test has on this machine
        for session in (aiohttp.ClientSession(), open_session(proxy=proxy_for(target.url, NOBODY))):
            async with session, session.get(target.url) as answer:
                assert answer.status == 403


@pytest.mark.usefixtures("_proxied")
async def test_wechat_is_asked_through_the_proxy_of_the_settings() -> None:
    twin = WeChatLoginTwin("wx-app", "app-secret", lambda: 0.0)
    proxy = await twin.start()  # a name that does not resolve: only the proxy can know it
    address = {"base_url": "http://wechat.invalid", "timeout_s": 5.0, "proxy": proxy}
    login = WeChatLogin(appid="wx-app", secret="app-secret", **address)  # type: ignore[arg-type]
    try:
        async with login.running():
            assert (await login.identify(twin.code_of("o"))).subject == "o"
    finally:
        await twin.stop()


@pytest.mark.parametrize("proxy", ["proxy:3128", "ftp://p", "http://p:x", "http://p/path"])
def test_what_is_no_proxy_is_refused_and_not_shown(proxy: str) -> None:
    with pytest.raises(Refused) as caught:
        load_settings(wechat__proxy=proxy)
    assert caught.value.setting == "LIVESALE__WECHAT__PROXY"
    assert proxy not in str(caught.value)


@pytest.mark.parametrize("folder", ["livesale", "stock", "loadtests", "benchmarks"])
def test_no_library_that_follows_the_environment_is_used(folder: str) -> None:
    files = (HOUSE / folder).rglob("*.py")
    assert [path.name for path in files if FOLLOWS.search(path.read_text("utf-8"))] == []
