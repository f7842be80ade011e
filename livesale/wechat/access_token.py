"""The access token of WeChat's server API: fetched when needed, kept while it is valid.

POST {base_url}/cgi-bin/stable_token: while a token is valid, every call returns the same one, so
any number of processes may ask (10,000 times a minute). Five minutes before its end it returns the
next one, and both are valid meanwhile. See https://developers.weixin.qq.com/miniprogram/dev/server/
API/mp-access-token/api_getstableaccesstoken
"""

import asyncio
import time
from collections.abc import Callable

import msgspec
from msgspec import Struct

from livesale.errors import LivesaleError
from livesale.tasks.turns import Crowded
from livesale.wechat.client import Outgoing, OutsideFault

FRESH_S = 300.0  # fetch a new token so long before the end
PAUSE_S = 1.0  # after a fault, waiting callers share it for so long


class NoAccessToken(LivesaleError):
    """WeChat gave no access token: it is unavailable, or refused us."""


class _Answer(Struct):
    access_token: str = ""
    expires_in: int = 0
    errcode: int = 0


class AccessToken:
    """One per messenger."""

    def __init__(
        self,
        *,
        appid: str,
        secret: str,
        base_url: str,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._asked = {"grant_type": "client_credential", "appid": appid, "secret": secret}
        self._url = f"{base_url.rstrip('/')}/cgi-bin/stable_token"
        self._now_s = now_s
        self._token = ""
        self._until_s = 0.0
        self._away: tuple[float, str] = (0.0, "")  # until when, reason
        self._one_at_a_time = asyncio.Lock()

    async def get(self, outgoing: Outgoing, *, not_this: str = "") -> str:
        """A valid token, other than `not_this`. Raises NoAccessToken."""
        async with self._one_at_a_time:
            if self._token == not_this or self._now_s() >= self._until_s:
                await self._fetch(outgoing)
            if self._token == not_this:
                raise NoAccessToken("WeChat refuses its own token")
            return self._token

    async def _fetch(self, outgoing: Outgoing) -> None:
        until_s, why = self._away
        if self._now_s() < until_s:
            raise NoAccessToken(why)
        try:
            await self._ask(outgoing)
        except NoAccessToken as fault:
            self._away = (self._now_s() + PAUSE_S, str(fault))
            raise

    async def _ask(self, outgoing: Outgoing) -> None:
        try:
            found = await outgoing.ask("POST", self._url, json=self._asked)
            answer = msgspec.json.decode(found.body, type=_Answer)
        except (OutsideFault, Crowded) as fault:
            raise NoAccessToken(f"no access token: {fault}") from None
        except msgspec.MsgspecError:
            raise NoAccessToken("no access token: not as WeChat documents") from None
        if not answer.access_token:
            raise NoAccessToken(f"no access token: errcode {answer.errcode}")
        self._token = answer.access_token
        self._until_s = self._now_s() + max(0.0, answer.expires_in - FRESH_S)
