"""A twin of WeChat's server API for subscribe messages: stable_token and message/subscribe/send.

It refuses what the real one refuses, by the same errcodes: a token that it did not give or that has
ended, an openid or a template that it does not know, fields that are missing, strange or do not fit
their kind, a person who has not consented or whose consent is used up. A consent is one message.
"""

import asyncio
import json
import re
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from msgspec import Struct

LIFE_S = 7_200
HANDOVER_S = 300  # before its end a token has a successor, and both are good

_TIME = r"([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d)?"
_DATE = r"\d{4}年(1[0-2]|[1-9])月(3[01]|[12]?\d)日"
FITS = {
    "thing": re.compile(r"[^\x00-\x1f\x7f]{1,20}"),
    "time": re.compile(rf"({_DATE} )?{_TIME}"),
    "date": re.compile(rf"{_DATE}( {_TIME})?"),
    "phrase": re.compile(r"[\u4e00-\u9fff]{1,5}"),
    "character_string": re.compile(r"[!-~]{1,32}"),
}


class Sent(Struct, frozen=True):
    """A message that a person got."""

    openid: str
    template_id: str
    page: str
    texts: dict[str, str]


class WeChatMessagesTwin:
    """`templates` are the fields of each; `consent` is what a person does on the telephone."""

    def __init__(self, appid: str, secret: str, templates: Mapping[str, set[str]]) -> None:
        self.appid, self.secret = appid, secret
        self.templates = dict(templates)
        self.pages: set[str] | None = None  # of the mini-program; None knows all
        self.consents: Counter[tuple[str, str]] = Counter()
        self.known: set[str] = set()
        self.sent: list[Sent] = []
        self.asked = 0
        self.tokens_given = 0
        self.now_s: Callable[[], float] = time.time
        self.takes_s = 0.0  # for one message, before it is looked at
        self.answers_s = 0.0  # and behind it, before the answer
        self.errcode_of: Callable[[str], int] = lambda _openid: 0  # refuse a person's message
        self.instead: Callable[[], Awaitable[web.StreamResponse]] | None = None
        self.token_errcode = 0
        self._tokens: dict[str, float] = {}  # → until when it is good
        self._under_way: set[str] = set()
        app = web.Application()
        app.router.add_post("/cgi-bin/stable_token", self._give_token)
        app.router.add_post("/cgi-bin/message/subscribe/send", self._send)
        self._server = TestServer(app)

    async def start(self) -> str:
        """Its base URL."""
        await self._server.start_server()
        return str(self._server.make_url("")).rstrip("/")

    async def stop(self) -> None:
        await self._server.close()

    def consent(self, openid: str, template_id: str) -> None:
        """`accept` in wx.requestSubscribeMessage."""
        self.known.add(openid)
        self.consents[openid, template_id] += 1

    def forget_tokens(self) -> None:
        """As after a refresh that somebody else forced."""
        self._tokens.clear()

    async def _give_token(self, request: web.Request) -> web.Response:
        asked = await request.json()
        if self.token_errcode:
            return _answer(self.token_errcode, "said so by the test")
        if asked.get("grant_type") != "client_credential":
            return _answer(40002, "invalid grant_type")
        if asked.get("appid") != self.appid:
            return _answer(40013, "invalid appid")
        if asked.get("secret") != self.secret:
            return _answer(40125, "invalid appsecret")
        now_s = self.now_s()
        for token, until_s in self._tokens.items():
            if until_s - now_s > HANDOVER_S:
                return _json({"access_token": token, "expires_in": int(until_s - now_s)})
        token = f"91_{secrets.token_urlsafe(60)}"
        self._tokens[token] = now_s + LIFE_S
        self.tokens_given += 1
        return _json({"access_token": token, "expires_in": LIFE_S})

    async def _send(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        body = json.loads(await request.read())
        openid = body.get("touser", "")
        if self.takes_s:
            await asyncio.sleep(self.takes_s)
        if self.instead is not None:
            return await self.instead()
        if openid in self._under_way:
            return _answer(43108, "Cannot make concurrent calls to the same OpenID")
        self._under_way.add(openid)
        try:
            code, why = self._look(request.query.get("access_token", ""), body)
            if not code:
                self._take(openid, body)
            if self.answers_s:
                await asyncio.sleep(self.answers_s)
            return _answer(code, why)
        finally:
            self._under_way.discard(openid)

    def _look(self, token: str, body: dict[str, Any]) -> tuple[int, str]:
        """Why it is refused; 0 when it is not."""
        if not token:
            return 41001, "access_token missing"
        if token not in self._tokens:
            return 40001, "invalid credential, access_token is invalid or not latest"
        if self._tokens[token] <= self.now_s():
            return 42001, "access_token expired"
        openid, template_id = body.get("touser", ""), body.get("template_id", "")
        if openid not in self.known:
            return 40003, "invalid openid"
        if template_id not in self.templates:
            return 40037, "invalid template_id"
        page = body.get("page", "").partition("?")[0]
        if page and self.pages is not None and page not in self.pages:
            return 41030, "invalid page"
        if body.get("miniprogram_state", "formal") not in ("formal", "trial", "developer"):
            return 47003, "argument invalid! miniprogram_state"
        texts = {name: field.get("value") for name, field in body.get("data", {}).items()}
        for name in self.templates[template_id]:
            fits = FITS[name.rstrip("0123456789")]
            if not isinstance(texts.get(name), str) or not fits.fullmatch(texts[name]):
                return 47003, f"argument invalid! data.{name}.value invalid"
        if errcode := self.errcode_of(openid):
            return errcode, "said so by the test"
        if not self.consents[openid, template_id]:
            return 43101, "user refuse to accept the msg"
        return 0, "ok"

    def _take(self, openid: str, body: dict[str, Any]) -> None:
        self.consents[openid, body["template_id"]] -= 1
        texts = {name: field["value"] for name, field in body["data"].items()}
        self.sent.append(Sent(openid, body["template_id"], body.get("page", ""), texts))


def _answer(errcode: int, errmsg: str) -> web.Response:
    tail = f" rid: {secrets.token_hex(4)}-{secrets.token_hex(4)}" if errcode else ""
    return _json({"errcode": errcode, "errmsg": f"{errmsg}{tail}"})


def _json(body: dict[str, Any]) -> web.Response:
    return web.Response(body=json.dumps(body).encode(), content_type="application/json")
