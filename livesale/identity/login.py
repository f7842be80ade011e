"""Logging in: a provider turns a one-time code into a user. WeChat, and `dev` for development.

A buyer id is a hash if the provider's name for a user (WeChat's openid) is personal: that name is
stored in the buyers table for payments, and appears in no id, token or log.
"""

import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from livesale.tokens.errors import (
    CodeRefused,
    LoginBlocked,
    LoginFault,
    LoginTooOften,
    LoginUnavailable,
)
from livesale.wechat.client import Bounds, Outgoing, OutsideFault
from stock.ids import is_buyer_id


class Identity(Struct, frozen=True):
    """Who logged in. `subject` is the provider's name for the user: never logged."""

    buyer_id: str
    provider: str
    subject: str

    def __repr__(self) -> str:
        return f"Identity({self.buyer_id!r}, {self.provider!r})"


class LoginProvider(Protocol):
    name: str

    async def identify(self, code: str) -> Identity:
        """Whose code this is. Raises LoginFault."""
        ...


class DevLogin:
    """Believes anybody: the code is the name. Only where the settings allow it."""

    name = "dev"

    async def identify(self, code: str) -> Identity:
        buyer_id = f"dev-{code}"
        if not is_buyer_id(buyer_id):
            buyer_id = f"dev-{_digest('dev', code)}"
        return Identity(buyer_id, self.name, code)


class _WeChatAnswer(Struct):
    openid: str = ""
    errcode: int = 0


_FAULTS: dict[int, type[LoginFault]] = {
    40029: CodeRefused,  # no such code, or older than five minutes
    40163: CodeRefused,  # used before
    40226: LoginBlocked,  # a user of high risk
    45011: LoginTooOften,
}


class WeChatLogin:
    """`code2session` of WeChat's mini-program server API.

    GET {base_url}/sns/jscode2session?appid&secret&js_code&grant_type=authorization_code, see
    https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/user-login/code2Session.html
    """

    name = "wechat"

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
        self._url = f"{base_url.rstrip('/')}/sns/jscode2session"
        self._decoder = msgspec.json.Decoder(_WeChatAnswer)

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
        if not answer.openid:
            raise LoginUnavailable("WeChat answered without an openid")
        buyer_id = wechat_buyer_id(self._appid, answer.openid)
        return Identity(buyer_id, self.name, answer.openid)

    async def _ask(self, code: str) -> _WeChatAnswer:
        query = {
            "appid": self._appid,
            "secret": self._secret,
            "js_code": code,
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


def wechat_buyer_id(appid: str, openid: str) -> str:
    """The buyer whom an app knows by this openid: what pays can be compared without asking SQL."""
    return f"wx-{_digest(appid, openid)}"


def _digest(*parts: Any) -> str:
    """24 characters for the parts, which cannot be reversed."""
    text = "\0".join(parts).encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(text, digest_size=18, person=b"livesale buyer").digest()
    return base64.urlsafe_b64encode(digest).decode()
