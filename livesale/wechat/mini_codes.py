"""Codes of the mini-program by WeChat, as many as one likes: `livesale.wechat.code_port`.

POST {base_url}/wxa/getwxacodeunlimit?access_token=…, see
https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/qrcode-link/qr-code/getUnlimitedQRCode.html
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from livesale.settings import Settings
from livesale.wechat.access_token import NoAccessToken
from livesale.wechat.client import Bounds, OutsideFault
from livesale.wechat.code_port import CodeRefused, CodeUnavailable
from livesale.wechat.server_api import VERSIONS, ServerApi, verdict_of

MAX_BYTES = 1 << 20  # of a picture
WIDTH = 430  # px
_AT_ONCE, _PER_S = 4, 50.0  # WeChat allows 5,000 a minute
_LATER = {-1, 40001, 40014, 42001, 45009, 45011}  # busy, the token, too many


class WeChatMiniCodes:
    """Inside `running`. The credentials are those of the mini-program."""

    def __init__(self, settings: Settings) -> None:
        wechat = settings.wechat
        self.on = bool(wechat.appid and wechat.secret.get_secret_value())
        self._version = VERSIONS[settings.reminders.mini_program]
        self._api = ServerApi(wechat, Bounds(_AT_ONCE, _PER_S))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        if not self.on:
            yield
            return
        async with self._api.running():
            yield

    async def draw(self, scene: str, page: str) -> bytes:
        body = {
            "scene": scene,
            "page": page,
            # A page that is not released yet can be opened in the other versions only.
            "check_path": self._version == "release",
            "env_version": self._version,
            "width": WIDTH,
        }
        try:
            answer = await self._api.post("/wxa/getwxacodeunlimit", body, MAX_BYTES)
        except (NoAccessToken, OutsideFault) as fault:
            raise CodeUnavailable(f"WeChat: {fault}") from None
        verdict = verdict_of(answer)
        if verdict.errcode:
            kind = CodeUnavailable if verdict.errcode in _LATER else CodeRefused
            raise kind(f"WeChat answered errcode {verdict.errcode}: {verdict.errmsg[:100]}")
        if answer.status != 200 or not answer.body or answer.body.startswith(b"{"):
            raise CodeUnavailable(f"WeChat answered HTTP {answer.status}, and no picture")
        return answer.body
