"""URL Links of WeChat: `livesale.links.service.MakesLinks`.

POST {base_url}/wxa/generate_urllink?access_token=…, see https://developers.weixin.qq.com/
miniprogram/dev/OpenApiDoc/qrcode-link/url-link/generateUrlLink.html. A link is valid for 30 days at
most, and any number of people may open it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from msgspec import Struct

from livesale.links.service import LinkUnavailable
from livesale.settings import Settings
from livesale.wechat.access_token import NoAccessToken
from livesale.wechat.client import Bounds, OutsideFault
from livesale.wechat.server_api import VERSIONS, ServerApi, verdict_of

PATH = "/wxa/generate_urllink"
AT_ONCE = 4
_AFTER_DAYS = 1  # an expire_type


class _Made(Struct):
    url_link: str


class WeChatLinks:
    """Inside `running`. The credentials are those of the mini-program."""

    def __init__(self, settings: Settings) -> None:
        self._version = VERSIONS[settings.reminders.mini_program]
        self._api = ServerApi(settings.wechat, Bounds(AT_ONCE, settings.mini_program.links_per_s))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with self._api.running():
            yield

    async def make(self, path: str, query: str, days: int) -> str:
        body = {
            "path": path,
            "query": query,
            "env_version": self._version,
            "expire_type": _AFTER_DAYS,
            "expire_interval": days,
        }
        try:
            answer = await self._api.post(PATH, body)
        except (NoAccessToken, OutsideFault) as fault:
            raise LinkUnavailable(f"WeChat: {fault}") from None
        verdict = verdict_of(answer)
        if verdict.errcode:
            text = f"WeChat answered errcode {verdict.errcode}: {verdict.errmsg[:100]}"
            raise LinkUnavailable(text)
        try:
            url = msgspec.json.decode(answer.body, type=_Made).url_link
        except msgspec.MsgspecError:
            raise LinkUnavailable(f"WeChat answered HTTP {answer.status}, and no link") from None
        if not url.startswith("https://"):
            raise LinkUnavailable("WeChat answered a link of another form")
        return url
