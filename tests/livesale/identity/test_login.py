"""Logging in with WeChat (its twin) and in development."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from livesale.identity.login import DevLogin, WeChatLogin
from livesale.tokens.errors import (
    CodeRefused,
    LoginBlocked,
    LoginFault,
    LoginTooOften,
    LoginUnavailable,
)
from stock.ids import is_buyer_id
from tests.twins.wechat_login import CODE_LIFETIME_S, WeChatLoginTwin

OPENID = "oGZUI0egBJY1zhBYw2KhdUfwVJJE"


class Watch:
    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
async def twin(watch: Watch) -> AsyncIterator[WeChatLoginTwin]:
    twin = WeChatLoginTwin("wx-app", "app-secret", watch)
    yield twin
    await twin.stop()


def login_at(base_url: str, *, secret: str = "app-secret", timeout_s: float = 5.0) -> WeChatLogin:
    return WeChatLogin(appid="wx-app", secret=secret, base_url=base_url, timeout_s=timeout_s)


@pytest.fixture
async def login(twin: WeChatLoginTwin) -> AsyncIterator[WeChatLogin]:
    login = login_at(await twin.start())
    async with login.running():
        yield login


async def test_the_same_user_is_the_same_buyer(login: WeChatLogin, twin: WeChatLoginTwin) -> None:
    one = await login.identify(twin.code_of(OPENID))
    two = await login.identify(twin.code_of(OPENID))
    other = await login.identify(twin.code_of("another"))
    assert one == two
    assert one.buyer_id != other.buyer_id
    assert (one.provider, one.subject) == ("wechat", OPENID)


async def test_the_openid_shows_in_no_id_and_no_repr(
    login: WeChatLogin, twin: WeChatLoginTwin
) -> None:
    identity = await login.identify(twin.code_of(OPENID))
    assert is_buyer_id(identity.buyer_id)
    assert OPENID not in identity.buyer_id
    assert OPENID not in repr(identity)


async def test_a_code_is_good_once(login: WeChatLogin, twin: WeChatLoginTwin) -> None:
    code = twin.code_of(OPENID)
    await login.identify(code)
    with pytest.raises(CodeRefused, match="40163"):
        await login.identify(code)


async def test_a_code_ends_after_five_minutes(
    login: WeChatLogin, twin: WeChatLoginTwin, watch: Watch
) -> None:
    code = twin.code_of(OPENID)
    watch.now_s += CODE_LIFETIME_S
    with pytest.raises(CodeRefused, match="40029"):
        await login.identify(code)


@pytest.mark.parametrize("code", ["made-up", "&appid=x&secret=y", "码"])
async def test_a_code_that_was_never_given(login: WeChatLogin, code: str) -> None:
    with pytest.raises(CodeRefused):
        await login.identify(code)


@pytest.mark.parametrize(
    ("errcode", "fault"),
    [
        (40226, LoginBlocked),
        (45011, LoginTooOften),
        (-1, LoginUnavailable),
        (40013, LoginUnavailable),
        (99999, LoginUnavailable),
    ],
)
async def test_errcodes(
    login: WeChatLogin, twin: WeChatLoginTwin, errcode: int, fault: type[LoginFault]
) -> None:
    twin.errcode_of[OPENID] = errcode
    with pytest.raises(fault):
        await login.identify(twin.code_of(OPENID))


async def test_a_wrong_secret_of_ours_is_no_fault_of_the_user(twin: WeChatLoginTwin) -> None:
    login = login_at(await twin.start(), secret="wrong")
    async with login.running():
        with pytest.raises(LoginUnavailable, match="40125"):
            await login.identify(twin.code_of(OPENID))


@pytest.mark.parametrize(
    "answer",
    [
        lambda: web.Response(status=502, text="bad gateway"),
        lambda: web.Response(text="<html>"),
        lambda: web.Response(text="{}"),
        lambda: web.Response(text='{"openid": 7}'),
        lambda: web.Response(text='{"errcode": "x"}'),
        lambda: web.Response(body=b"\xff" * 100),
        lambda: web.Response(text="[" * 70_000),
        lambda: web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"}),
    ],
)
async def test_answers_that_are_not_documented(
    login: WeChatLogin, twin: WeChatLoginTwin, answer: object
) -> None:
    twin.answer_instead = answer  # type: ignore[assignment]
    with pytest.raises(LoginUnavailable) as fault:
        await login.identify("a-login-code")
    assert "app-secret" not in str(fault.value)


async def test_a_server_that_does_not_answer(twin: WeChatLoginTwin) -> None:
    base_url = await twin.start()
    await twin.stop()
    login = login_at(base_url)
    async with login.running():
        with pytest.raises(LoginUnavailable) as fault:
            await login.identify("a-login-code")
    # neither the text nor a chained cause carries the URL, which holds the secret
    assert "app-secret" not in str(fault.value)
    assert fault.value.__cause__ is None


async def test_dev_believes_anybody() -> None:
    login = DevLogin()
    assert (await login.identify("ann")).buyer_id == "dev-ann"
    odd = [(await login.identify(code)).buyer_id for code in ("安", "a b", "x" * 100)]
    assert all(map(is_buyer_id, odd))
    assert len(set(odd)) == 3
