"""Calls of WeChat's server API with an access token: one that WeChat refuses is replaced, once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from msgspec import Struct

from livesale.settings.model import WeChatSettings
from livesale.wechat.access_token import AccessToken
from livesale.wechat.client import MAX_ANSWER_BYTES, Answer, Bounds, Outgoing

_STALE_TOKEN = {40001, 40014, 42001}
# Of a mini-program: as settings call them, as messages do, and as this API calls them.
VERSIONS = {"formal": "release", "trial": "trial", "developer": "develop"}


class Verdict(Struct):
    """What WeChat says of a call; 0 is well."""

    errcode: int = 0
    errmsg: str = ""


_decode = msgspec.json.Decoder(Verdict).decode


class ServerApi:
    """The API of one app, while `running`."""

    def __init__(self, wechat: WeChatSettings, bounds: Bounds) -> None:
        self._base_url = wechat.base_url.rstrip("/")
        timeout_s, proxy = wechat.timeout_ms / 1000, wechat.proxy.get_secret_value()
        self._outgoing = Outgoing(wechat.base_url, timeout_s, bounds, proxy)
        self._token = AccessToken(
            appid=wechat.appid,
            secret=wechat.secret.get_secret_value(),
            base_url=wechat.base_url,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with self._outgoing.running():
            yield

    async def post(self, path: str, body: Any, most_bytes: int = MAX_ANSWER_BYTES) -> Answer:
        """WeChat's answer. Raises NoAccessToken, Crowded, NotAsked or NoAnswer."""
        token = await self._token.get(self._outgoing)
        answer = await self._ask(path, token, body, most_bytes)
        if verdict_of(answer).errcode in _STALE_TOKEN:
            token = await self._token.get(self._outgoing, not_this=token)
            answer = await self._ask(path, token, body, most_bytes)
        return answer

    async def _ask(self, path: str, token: str, body: Any, most_bytes: int) -> Answer:
        return await self._outgoing.ask(
            "POST",
            f"{self._base_url}{path}",
            most_bytes,
            params={"access_token": token},
            data=msgspec.json.encode(body),
            headers={"Content-Type": "application/json"},
        )


def verdict_of(answer: Answer) -> Verdict:
    """What WeChat says of a call. An answer that is no JSON, such as a picture, is well."""
    if not answer.body.startswith(b"{"):
        return Verdict()
    try:
        return _decode(answer.body)
    except msgspec.MsgspecError:
        return Verdict()
