"""A twin of WeChat's server API for links: stable_token and generate_urllink.

It makes links as the real one does: for pages that the mini-program has, valid for 1 to 30 days.
Any number of people may open one.
"""

import re
import secrets
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

_QUERY = re.compile(r"[0-9A-Za-z!#$&'()*+,/:;=?@._~%-]{0,1024}").fullmatch
MAX_DAYS = 30


class WeChatLinksTwin:
    """`pages` are those of the mini-program."""

    def __init__(self, appid: str, secret: str, pages: set[str]) -> None:
        self.appid, self.secret, self.pages = appid, secret, pages
        self.made: dict[str, dict[str, Any]] = {}  # link → what it opens
        self.errcode = 0
        self.tokens: set[str] = set()
        self._server: TestServer | None = None
        self._app = web.Application()
        self._app.router.add_post("/cgi-bin/stable_token", self._give_token)
        self._app.router.add_post("/wxa/generate_urllink", self._make)

    async def start(self) -> str:
        """Its base URL."""
        self._server = TestServer(self._app)
        await self._server.start_server()
        return str(self._server.make_url("")).rstrip("/")

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.close()

    async def _give_token(self, request: web.Request) -> web.Response:
        asked = await request.json()
        if (asked.get("appid"), asked.get("secret")) != (self.appid, self.secret):
            return _answer(40125)
        token = secrets.token_urlsafe(60)
        self.tokens.add(token)
        return web.json_response({"access_token": token, "expires_in": 7200})

    async def _make(self, request: web.Request) -> web.Response:
        asked = await request.json()
        if request.query.get("access_token") not in self.tokens:
            return _answer(40001)
        if self.errcode:
            return _answer(self.errcode)
        if asked.get("path") and asked["path"] not in self.pages:
            return _answer(40165)
        if not _QUERY(asked.get("query", "")):
            return _answer(40212)
        if asked.get("env_version") not in ("release", "trial", "develop"):
            return _answer(85402)
        days = asked.get("expire_interval")
        if asked.get("expire_type") != 1 or days not in range(1, MAX_DAYS + 1):
            return _answer(85401)
        link = f"https://wxaurl.cn/{secrets.token_hex(6)}"
        self.made[link] = asked
        return web.json_response({"errcode": 0, "errmsg": "ok", "url_link": link})


def _answer(errcode: int) -> web.Response:
    return web.json_response({"errcode": errcode, "errmsg": "said so by the twin"})
