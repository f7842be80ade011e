"""A twin of WeChat's server API for shipping information: stable_token and upload_shipping_info.

It refuses what the real one refuses, by errcodes: a token that it did not give, a payment that it
does not know or that another person paid, fields that are missing or strange, and a second change
after all was delivered: one is allowed.
"""

import json
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+08:00").fullmatch
_CONTACT = re.compile(r"\*+\d{4}").fullmatch
_EXPRESS = 1


class WeChatShippingTwin:
    """`payments`: transaction id → openid of the payer. `told`: what is known of each. `more` are
    routes of other twins: all of WeChat has one address."""

    def __init__(self, appid: str, secret: str, *more: web.AbstractRouteDef) -> None:
        self.appid, self.secret = appid, secret
        self.payments: dict[str, str] = {}
        self.told: dict[str, list[dict[str, Any]]] = {}
        self.asked = 0
        self.instead: Callable[[], Awaitable[web.StreamResponse]] | None = None
        self._tokens: set[str] = set()
        app = web.Application()
        app.router.add_post("/cgi-bin/stable_token", self._give_token)
        app.router.add_post("/wxa/sec/order/upload_shipping_info", self._upload)
        app.add_routes(more)
        self._server = TestServer(app)

    async def start(self) -> str:
        """Its base URL."""
        await self._server.start_server()
        return str(self._server.make_url("")).rstrip("/")

    async def stop(self) -> None:
        await self._server.close()

    def forget_tokens(self) -> None:
        self._tokens.clear()

    async def _give_token(self, request: web.Request) -> web.Response:
        asked = await request.json()
        if (asked.get("appid"), asked.get("secret")) != (self.appid, self.secret):
            return _answer(40125, "invalid appsecret")
        token = f"91_{secrets.token_urlsafe(60)}"
        self._tokens.add(token)
        return web.json_response({"access_token": token, "expires_in": 7_200})

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        if self.instead is not None:
            return await self.instead()
        if request.query.get("access_token") not in self._tokens:
            return _answer(40001, "invalid credential, access_token is invalid")
        body = json.loads(await request.read())
        key = body.get("order_key", {})
        number = key.get("transaction_id", "")
        if key.get("order_number_type") != 2 or number not in self.payments:
            return _answer(10060001, "支付单不存在")
        if body.get("payer", {}).get("openid") != self.payments[number]:
            return _answer(10060032, "payer.openid 与支付单不符")
        why = _look(body)
        if why:
            return _answer(47001, why)
        before = self.told.setdefault(number, [])
        if sum(_is_complete(one) for one in before) >= 2:
            return _answer(10060003, "支付单已使用重新发货机会")
        before.append(body)
        return _answer(0, "ok")


def _look(body: dict[str, Any]) -> str:
    """What is wrong with the fields; nothing if all is right."""
    found = body.get("shipping_list")
    if body.get("logistics_type") not in (1, 2, 3, 4) or body.get("delivery_mode") not in (1, 2):
        return "logistics_type or delivery_mode"
    if not isinstance(found, list) or not 1 <= len(found) <= 10:
        return "shipping_list"
    if body["delivery_mode"] == 1 and len(found) != 1:
        return "a unified delivery has one parcel"
    if body["delivery_mode"] == 2 and not isinstance(body.get("is_all_delivered"), bool):
        return "is_all_delivered"
    if not _TIME(body.get("upload_time", "")):
        return "upload_time"
    for parcel in found:
        if not 1 <= len(parcel.get("item_desc", "")) <= 120:
            return "item_desc"
        if body["logistics_type"] == _EXPRESS:
            if not parcel.get("tracking_no") or not parcel.get("express_company"):
                return "tracking_no or express_company"
            contact = parcel.get("contact", {}).get("receiver_contact", "")
            if parcel["express_company"] == "SF" and not _CONTACT(contact):
                return "contact"
    return ""


def _is_complete(body: dict[str, Any]) -> bool:
    return bool(body["delivery_mode"] == 1 or body["is_all_delivered"])


def _answer(code: int, why: str) -> web.Response:
    return web.json_response({"errcode": code, "errmsg": why})
