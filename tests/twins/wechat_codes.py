"""A twin of WeChat's server API for mini-program codes: stable_token and getwxacodeunlimit.

It refuses what the real one refuses, by the same errcodes: a token that it did not give or that has
ended, a scene that is too long or has other characters, a page that is not released. What it draws
is a JPEG, with the scene in its comment.
"""

import io
import json
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from PIL import Image

LIFE_S = 7_200
_SCENE = re.compile(r"[0-9A-Za-z!#$&'()*+,/:;=?@\-._~]{1,32}").fullmatch


class WeChatCodesTwin:
    """`pages` are those of the released mini-program; `drawn` are the scenes of all codes."""

    def __init__(self, appid: str, secret: str, pages: set[str]) -> None:
        self.appid, self.secret = appid, secret
        self.pages = pages
        self.drawn: list[str] = []
        self.asked = 0
        self.tokens_given = 0
        self.errcode = 0  # refuse all, by it
        self.instead: Callable[[], Awaitable[web.StreamResponse]] | None = None
        self._tokens: dict[str, float] = {}  # → until when it is good
        app = web.Application()
        app.router.add_post("/cgi-bin/stable_token", self._give_token)
        app.router.add_post("/wxa/getwxacodeunlimit", self._draw)
        self._server = TestServer(app)

    async def start(self) -> str:
        """Its base URL."""
        await self._server.start_server()
        return str(self._server.make_url("")).rstrip("/")

    async def stop(self) -> None:
        await self._server.close()

    def forget_tokens(self) -> None:
        """As after a refresh that somebody else forced."""
        self._tokens.clear()

    def end_tokens(self) -> None:
        """As two hours later."""
        self._tokens = dict.fromkeys(self._tokens, 0.0)

    async def _give_token(self, request: web.Request) -> web.Response:
        asked = await request.json()
        if asked.get("grant_type") != "client_credential":
            return _refuse(40002, "invalid grant_type")
        if asked.get("appid") != self.appid:
            return _refuse(40013, "invalid appid")
        if asked.get("secret") != self.secret:
            return _refuse(40125, "invalid appsecret")
        token = f"91_{secrets.token_urlsafe(60)}"
        self._tokens[token] = time.time() + LIFE_S
        self.tokens_given += 1
        return web.json_response({"access_token": token, "expires_in": LIFE_S})

    async def _draw(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        if self.instead is not None:
            return await self.instead()
        body = json.loads(await request.read())
        code, why = self._look(request.query.get("access_token", ""), body)
        if code:
            return _refuse(code, why)
        self.drawn.append(body["scene"])
        return web.Response(body=_picture(body["scene"], body["width"]), content_type="image/jpeg")

    def _look(self, token: str, body: dict[str, Any]) -> tuple[int, str]:
        """Why it is refused; 0 when it is not."""
        if not token:
            return 41001, "access_token missing"
        if token not in self._tokens:
            return 40001, "invalid credential, access_token is invalid or not latest"
        if self._tokens[token] <= time.time():
            return 42001, "access_token expired"
        if self.errcode:
            return self.errcode, "said so by the test"
        if not _SCENE(body.get("scene", "")):
            return 40129, "invalid scene"
        page = body.get("page", "")
        if page.startswith("/") or "?" in page:
            return 40159, "invalid page"
        if body.get("check_path", True) and page not in self.pages:
            return 41030, "invalid page"
        if body.get("env_version", "release") not in ("release", "trial", "develop"):
            return 40097, "invalid args"
        if not 280 <= body.get("width", 430) <= 1_280:
            return 40097, "invalid args"
        return 0, "ok"


def _picture(scene: str, width: int) -> bytes:
    """Black and white squares that another scene has otherwise."""
    bits = int.from_bytes(scene.encode(), "big")
    small = Image.new("L", (16, 16))
    small.putdata([255 * (bits >> at & 1) for at in range(256)])
    target = io.BytesIO()
    small.resize((width, width), Image.Resampling.NEAREST).save(target, "JPEG")
    return target.getvalue()


def _refuse(code: int, why: str) -> web.Response:
    return web.json_response({"errcode": code, "errmsg": why})
