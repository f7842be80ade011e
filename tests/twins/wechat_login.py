"""A twin of WeChat's login server: `GET /sns/jscode2session`, with the errors of the real one.

Codes are good once and for five minutes. As the real one, it answers HTTP 200 with an `errcode`,
labels its JSON text/plain, and may send it in more than one piece.
"""

import asyncio
import json
import secrets
from collections.abc import Callable

from aiohttp import web
from aiohttp.test_utils import TestServer

CODE_LIFETIME_S = 300


class WeChatLoginTwin:
    """`code_of(openid)` is what wx.login() would give that user's mini-program."""

    def __init__(self, appid: str, secret: str, now_s: Callable[[], float]) -> None:
        self.appid = appid
        self.secret = secret
        self.answer_instead: Callable[[], web.StreamResponse] | None = None
        self.errcode_of: dict[str, int] = {}  # by openid: 40226, 45011, -1 …
        self._now_s = now_s
        self._codes: dict[str, tuple[str, float]] = {}
        self._used: set[str] = set()
        self.routes = [web.get("/sns/jscode2session", self._code2session)]
        app = web.Application()
        app.add_routes(self.routes)
        self._server = TestServer(app)

    async def start(self) -> str:
        """Its base URL."""
        await self._server.start_server()
        return str(self._server.make_url("")).rstrip("/")

    async def stop(self) -> None:
        await self._server.close()

    def code_of(self, openid: str) -> str:
        code = f"0{secrets.token_hex(15)}"
        self._codes[code] = openid, self._now_s() + CODE_LIFETIME_S
        return code

    async def _code2session(self, request: web.Request) -> web.StreamResponse:
        if self.answer_instead is not None:
            return self.answer_instead()
        return await _in_two_pieces(request, self._answer(request))

    def _answer(self, request: web.Request) -> bytes:
        query = request.query
        if query.get("appid") != self.appid:
            return _error(40013, "invalid appid")
        if query.get("secret") != self.secret:
            return _error(40125, "invalid appsecret")
        if query.get("grant_type") != "authorization_code":
            return _error(40002, "invalid grant_type")
        code = query.get("js_code", "")
        if not code:
            return _error(41008, "missing code")
        if code in self._used:
            return _error(40163, "code been used")
        openid, until_s = self._codes.get(code, ("", 0.0))
        if until_s <= self._now_s():
            return _error(40029, "invalid code")
        if openid in self.errcode_of:
            return _error(self.errcode_of[openid], "said so by the test")
        self._used.add(code)
        return _json({"session_key": secrets.token_urlsafe(16), "openid": openid})


def _error(errcode: int, errmsg: str) -> bytes:
    return _json({"errcode": errcode, "errmsg": f"{errmsg}, rid: {secrets.token_hex(4)}"})


def _json(body: dict[str, object]) -> bytes:
    return json.dumps(body).encode()


async def _in_two_pieces(request: web.Request, body: bytes) -> web.StreamResponse:
    """The pause makes two TCP segments of it: the first does not end with a whole JSON."""
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    await asyncio.sleep(0.01)
    await response.write(body[len(body) // 2 :])
    return response
