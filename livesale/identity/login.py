"""Logging in: a provider turns a one-time code into a user. WeChat's two, and `dev`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

import msgspec
from msgspec import Struct

from livesale.identity.buyer_ids import Identity, dev_buyer_id, wechat_buyer_id
from livesale.tokens.apps import App
from livesale.tokens.errors import (
    CodeRefused,
    LoginBlocked,
    LoginFault,
    LoginSnapshot,
    LoginTooOften,
    LoginUnavailable,
)
from livesale.wechat.client import Bounds, Outgoing, OutsideFault


class LoginProvider(Protocol):
    name: str
    app: App  # what the tokens of its buyers say

    async def identify(self, code: str) -> Identity:
        """Whose code this is. Raises LoginFault."""
        ...


class DevLogin:
    """Believes anybody: the code is the name. Only where the settings allow it."""

    name = "dev"
    app = App.MINI_PROGRAM

    async def identify(self, code: str) -> Identity:
        return Identity(dev_buyer_id(code), self.name, code)


class _Answer(Struct):
    openid: str = ""
    unionid: str = ""
    is_snapshotuser: int = 0
    errcode: int = 0


_FAULTS: dict[int, type[LoginFault]] = {
    40029: CodeRefused,  # no such code, or older than five minutes
    40163: CodeRefused,  # used before
    42003: CodeRefused,  # too old
    40226: LoginBlocked,  # a user of high risk
    45011: LoginTooOften,
}
_MAX_ID = 128  # characters of an openid or a union id; WeChat's have 28


class _WeChat:
    """WeChat's exchange of a login code for an openid."""

    name: str
    app: App
    path: str
    code_name: str

    def __init__(
        self,
        *,
        appid: str,
        secret: str,
        base_url: str,
        timeout_s: float,
        bounds: Bounds = Bounds(),  # noqa: B008  frozen
        proxy: str = "",
    ) -> None:
        self._outgoing = Outgoing(base_url, timeout_s, bounds, proxy)
        self._appid = appid
        self._secret = secret
        self._url = f"{base_url.rstrip('/')}{self.path}"
        self._decoder = msgspec.json.Decoder(_Answer)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """One client session for all logins."""
        async with self._outgoing.running():
            yield

    async def identify(self, code: str) -> Identity:
        answer = await self._ask(code)
        if answer.errcode:
            fault = _FAULTS.get(answer.errcode, LoginUnavailable)
            raise fault(f"WeChat answered errcode {answer.errcode}")
        if not 1 <= len(answer.openid) <= _MAX_ID:
            raise LoginUnavailable("WeChat answered without an openid")
        if answer.is_snapshotuser:  # nobody: its openid and its union id are made up
            raise LoginSnapshot("a virtual user")
        buyer_id = wechat_buyer_id(self._appid, answer.openid)
        union_id = answer.unionid if len(answer.unionid) <= _MAX_ID else ""
        return Identity(buyer_id, self.name, answer.openid, self._appid, union_id)

    async def _ask(self, code: str) -> _Answer:
        query = {
            "appid": self._appid,
            "secret": self._secret,
            self.code_name: code,
            "grant_type": "authorization_code",
        }
        try:
            answer = await self._outgoing.ask("GET", self._url, params=query)
        except OutsideFault as fault:
            # Without the cause: its text holds the URL, and so the secret and the code.
            raise LoginUnavailable(f"WeChat: {fault}") from None
        if answer.status != 200:
            raise LoginUnavailable(f"WeChat answered HTTP {answer.status}")
        try:
            # WeChat labels its JSON text/plain, so the type is not looked at.
            return self._decoder.decode(answer.body)
        except msgspec.MsgspecError:
            raise LoginUnavailable("WeChat answered no JSON that it documents") from None


class WeChatLogin(_WeChat):
    """`code2session` of WeChat's mini-program server API.

    GET {base_url}/sns/jscode2session?appid&secret&js_code&grant_type=authorization_code, see
    https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/user-login/code2Session.html
    """

    name = "wechat"
    app = App.MINI_PROGRAM
    path = "/sns/jscode2session"
    code_name = "js_code"


class WeChatPageLogin(_WeChat):
    """OAuth of pages in WeChat's browser, by an official account.

    GET {base_url}/sns/oauth2/access_token?appid&secret&code&grant_type=authorization_code, see
    https://developers.weixin.qq.com/doc/offiaccount/OA_Web_Apps/Wechat_webpage_authorization.html
    We use nothing of the answer but who the person is: its access token is dropped.
    """

    name = "wechat_h5"
    app = App.OFFICIAL_ACCOUNT
    path = "/sns/oauth2/access_token"
    code_name = "code"
