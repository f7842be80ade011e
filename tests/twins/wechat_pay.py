"""A twin of WeChat Pay's API v3: prepay (JSAPI), query, close, refund, and the callbacks of both.

It checks our signatures as the real one does, signs its answers, and calls back by the schedule of
the real one, scaled. It can be late, double, wrong, silent, or dead. The orders, what is paid and
what went back are in `orders`, for tests to compare.
"""

import asyncio
import json
import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from msgspec import Struct, field

from tests.twins.wechat_pay_crypto import (
    is_signed,
    read_authorization,
    rsa_key,
    seal,
    sign,
    signature_headers,
)

# https://pay.weixin.qq.com/doc/v3/merchant/4012791902: seconds between the tries of a callback
SCHEDULE_S = (
    15,
    15,
    30,
    180,
    600,
    1_200,
    1_800,
    1_800,
    1_800,
    3_600,
    *(10_800,) * 3,
    *(21_600,) * 2,
)
ANSWER_WITHIN_S = 5.0
FRESH_S = 300

Callback = tuple[dict[str, str], bytes]


class Order(Struct):
    """An order as the server has it. `refunds`: out_refund_no → the refund."""

    terms: dict[str, Any]
    prepay_id: str
    state: str = "NOTPAY"
    transaction_id: str = ""
    refunds: dict[str, dict[str, Any]] = field(default_factory=dict)


class WeChatPayTwin:
    """`deliver_to` is where callbacks go: scheme and host of the service under test."""

    def __init__(self, appid: str, mchid: str, serial_no: str, api_v3_key: str) -> None:
        self.appid, self.mchid, self.serial_no, self.api_v3_key = (
            *(appid, mchid, serial_no),
            api_v3_key,
        )
        self.apps = {appid: "o-"}  # what is bound to the merchant, and how its openids begin
        self.merchant = rsa_key("merchant")
        self.public_key_id = "PUB_KEY_ID_0114232134912410000000000000"
        self.platform = rsa_key("platform")
        self.orders: dict[str, Order] = {}
        self.asked: list[str] = []  # method and path of every request
        self.heard: list[int] = []  # statuses that callbacks were answered by
        self.deliver_to = ""
        self.tries_s = 0.000_01  # a second of the schedule, in seconds
        self.silent = False  # no callbacks
        self.times = 1  # how often each callback is sent, at once
        self.late_s = 0.0
        self.now_s: Callable[[], float] = lambda: datetime.now().timestamp()
        self.instead: Callable[[web.Request], Any] | None = None  # an answer, or None
        self.spoil: Callable[[dict[str, str], bytes], Callback] | None = None  # of answers
        self.refund_status = "PROCESSING"
        self._tasks: set[asyncio.Task[None]] = set()
        app = web.Application(middlewares=[self._guard])
        app.router.add_post("/v3/pay/transactions/jsapi", self._prepay)
        app.router.add_get("/v3/pay/transactions/out-trade-no/{number}", self._query)
        app.router.add_post("/v3/pay/transactions/out-trade-no/{number}/close", self._close)
        app.router.add_post("/v3/refund/domestic/refunds", self._refund)
        app.router.add_get("/v3/refund/domestic/refunds/{number}", self._query_refund)
        self._server = TestServer(app)

    async def start(self) -> str:
        """Its base URL."""
        await self._server.start_server()
        return str(self._server.make_url("")).rstrip("/")

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.close()

    # What happens on the buyer's telephone.

    def accepts(self, fields: dict[str, str]) -> bool:
        """Whether wx.requestPayment would go on: the five fields, signed by the merchant."""
        return "appId" not in fields and self._accepts(fields, self.appid)

    def accepts_in_page(self, fields: dict[str, str]) -> bool:
        """Whether getBrandWCPayRequest would: a page names its app, too."""
        return "appId" in fields and self._accepts(dict(fields), fields["appId"])

    def _accepts(self, fields: dict[str, str], appid: str) -> bool:
        if fields.keys() - {"appId"} != {"timeStamp", "nonceStr", "package", "signType", "paySign"}:
            return False
        lines = (appid, fields["timeStamp"], fields["nonceStr"], fields["package"])
        announced = [
            order.terms["appid"]
            for order in self.orders.values()
            if fields["package"] == f"prepay_id={order.prepay_id}"
        ]
        signed = is_signed(self.merchant.public_key(), fields["paySign"], *lines)
        return announced == [appid] and signed and fields["signType"] == "RSA"

    def pay(self, number: str) -> Order:
        """The buyer pays; WeChat says so, unless it is silent. Raises KeyError or ValueError."""
        order = self.orders[number]
        if order.state != "NOTPAY":
            raise ValueError(f"{number} is {order.state}")
        order.state, order.transaction_id = "SUCCESS", _transaction_id()
        if not self.silent:
            self.tell(order.terms["notify_url"], self.payment_callback(number))
        return order

    def pay_once_more(self, number: str) -> Callback:
        """What a bank must never do: a second transaction for an order that is paid."""
        again = f"{number}#{len(self.orders)}"
        self.orders[again] = Order(self.orders[number].terms, "", "SUCCESS", _transaction_id())
        return self.payment_callback(again)

    def end_refund(self, refund_no: str, status: str = "SUCCESS") -> None:
        """The bank has the money back, or refuses it."""
        number, refund = self._find_refund(refund_no)
        refund["status"] = status
        if not self.silent:
            self.tell(refund["notify_url"], self.refund_callback(number, refund_no))

    @property
    def returned_fen(self) -> int:
        return sum(r["amount"]["refund"] for o in self.orders.values() for r in o.refunds.values())

    # Callbacks.

    def transaction(self, number: str) -> dict[str, Any]:
        """What a callback seals, and a query answers."""
        order = self.orders[number]
        terms = order.terms
        found: dict[str, Any] = {
            "appid": terms["appid"],
            "mchid": self.mchid,
            "out_trade_no": number.partition("#")[0],
            "trade_state": order.state,
            "trade_state_desc": order.state,
            "payer": {"openid": terms["payer"]["openid"]},
            "amount": {
                **terms["amount"],
                "payer_total": terms["amount"]["total"],
                "payer_currency": "CNY",
            },
        }
        if order.transaction_id:
            found |= {
                "transaction_id": order.transaction_id,
                "trade_type": "JSAPI",
                "bank_type": "OTHERS",
                "attach": "",
                "success_time": "2026-11-21T21:00:00+08:00",
            }
        return found

    def payment_callback(self, number: str) -> Callback:
        return self.callback("TRANSACTION.SUCCESS", "transaction", self.transaction(number))

    def refund_callback(self, number: str, refund_no: str) -> Callback:
        refund = self.orders[number].refunds[refund_no]
        content = {
            "mchid": self.mchid,
            "transaction_id": refund["transaction_id"],
            "out_trade_no": number.partition("#")[0],
            "refund_id": refund["refund_id"],
            "out_refund_no": refund_no,
            "refund_status": refund["status"],
            "user_received_account": "招商银行信用卡0403",
            "amount": {
                "total": refund["amount"]["total"],
                "refund": refund["amount"]["refund"],
                "payer_total": refund["amount"]["total"],
                "payer_refund": refund["amount"]["refund"],
            },
        }
        return self.callback(f"REFUND.{refund['status']}", "refund", content)

    def callback(self, event: str, original: str, content: Any, **changes: Any) -> Callback:
        """Headers and body. `changes` are of the envelope; a value of None leaves a field out."""
        resource = seal(self.api_v3_key, content, original) | {"original_type": original}
        envelope = {
            "id": secrets.token_hex(16),
            "create_time": "2026-11-21T21:00:00+08:00",
            "resource_type": "encrypt-resource",
            "event_type": event,
            "summary": "支付成功",
            "resource": resource,
        } | changes
        kept = {name: value for name, value in envelope.items() if value is not None}
        return self.signed(json.dumps(kept, ensure_ascii=False).encode())

    def signed(self, body: bytes) -> Callback:
        return signature_headers(self.platform, self.public_key_id, body, self.now_s()), body

    def tell(self, url: str, callback: Callback) -> None:
        """Call back, as often as the schedule says, until it is taken in."""
        for _ in range(self.times):
            task = asyncio.create_task(self._tell(url, callback))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def told(self) -> None:
        """Wait until no callback is under way."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def _tell(self, url: str, callback: Callback) -> None:
        await asyncio.sleep(self.late_s)
        headers, body = callback
        target = f"{self.deliver_to}{urlsplit(url).path}"
        sent = headers | {"Content-Type": "application/json", "User-Agent": "Mozilla/4.0"}
        async with aiohttp.ClientSession() as client:
            for wait_s in SCHEDULE_S:
                try:
                    timeout = aiohttp.ClientTimeout(total=ANSWER_WITHIN_S)
                    async with client.post(
                        target, data=body, headers=sent, timeout=timeout
                    ) as answer:
                        self.heard.append(answer.status)
                        if answer.status in (200, 204):
                            return
                except (TimeoutError, aiohttp.ClientError, OSError):
                    self.heard.append(0)
                await asyncio.sleep(wait_s * self.tries_s)

    # The server.

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path}")
        if self.instead is not None:
            found = self.instead(request)
            if asyncio.iscoroutine(found):
                found = await found
            if found is not None:
                return found  # type: ignore[no-any-return]
        body = await request.read()
        if not self._is_signed(request, body):
            return _error(401, "SIGN_ERROR")
        if request.headers.get("Accept") != "application/json":
            return _error(400, "PARAM_ERROR")
        answer: web.StreamResponse = await handler(request)
        if isinstance(answer, web.Response) and answer.status < 300:
            raw = answer.body if isinstance(answer.body, bytes) else b""
            headers = signature_headers(self.platform, self.public_key_id, raw, self.now_s())
            if self.spoil is not None:
                headers, raw = self.spoil(headers, raw)
                answer = web.Response(
                    status=answer.status, body=raw, content_type="application/json"
                )
            answer.headers.update(headers)
        return answer

    def _is_signed(self, request: web.Request, body: bytes) -> bool:
        found = read_authorization(request.headers.get("Authorization", ""))
        if found.keys() != {"mchid", "nonce_str", "signature", "timestamp", "serial_no"}:
            return False
        if (found["mchid"], found["serial_no"]) != (self.mchid, self.serial_no):
            return False
        if abs(self.now_s() - int(found["timestamp"])) > FRESH_S:
            return False
        lines = (request.method, request.raw_path, found["timestamp"], found["nonce_str"])
        return is_signed(self.merchant.public_key(), found["signature"], *lines, body=body)

    async def _prepay(self, request: web.Request) -> web.Response:
        terms = await request.json()
        number = terms.get("out_trade_no", "")
        if not self._is_complete(terms):
            return _error(400, "PARAM_ERROR")
        order = self.orders.get(number)
        if order is None:
            order = self.orders[number] = Order(terms, f"wx{secrets.token_hex(17)}")
        elif order.terms != terms:
            return _error(400, "INVALID_REQUEST")
        elif order.state != "NOTPAY":
            return _error(400, "ORDERPAID" if order.state == "SUCCESS" else "ORDER_CLOSED")
        return _json({"prepay_id": order.prepay_id})

    def _is_complete(self, terms: dict[str, Any]) -> bool:
        try:
            datetime.fromisoformat(terms["time_expire"])
            return (
                terms["mchid"] == self.mchid
                and terms["payer"]["openid"].startswith(self.apps[terms["appid"]])
                and 6 <= len(terms["out_trade_no"]) <= 32
                and 1 <= len(terms["description"]) <= 127
                and terms["notify_url"].startswith("http")
                and terms["amount"]["total"] >= 1
                and terms["amount"]["currency"] == "CNY"
                and bool(terms["payer"]["openid"])
                and terms["time_expire"][-6:] == "+08:00"
            )
        except (KeyError, TypeError, ValueError):
            return False

    async def _query(self, request: web.Request) -> web.Response:
        number = request.match_info["number"]
        if request.query.get("mchid") != self.mchid:
            return _error(400, "PARAM_ERROR")
        if number not in self.orders:
            return _error(404, "ORDER_NOT_EXIST")
        return _json(self.transaction(number))

    async def _close(self, request: web.Request) -> web.Response:
        order = self.orders.get(request.match_info["number"])
        if order is None:
            return _error(404, "ORDER_NOT_EXIST")
        if (await request.json()).get("mchid") != self.mchid:
            return _error(400, "PARAM_ERROR")
        if order.state == "SUCCESS":
            return _error(400, "ORDERPAID")
        order.state = "CLOSED"
        return web.Response(status=204)

    async def _refund(self, request: web.Request) -> web.Response:
        asked = await request.json()
        found = [
            (number, order)
            for number, order in self.orders.items()
            if order.transaction_id and order.transaction_id == asked["transaction_id"]
        ]
        if not found:
            return _error(404, "RESOURCE_NOT_EXISTS")
        number, order = found[0]
        refund_no, amount = asked["out_refund_no"], asked["amount"]
        known = order.refunds.get(refund_no)
        if known is not None:
            same = known["amount"] == amount
            return _json(self._reply(number, known)) if same else _error(400, "INVALID_REQUEST")
        back = sum(refund["amount"]["refund"] for refund in order.refunds.values())
        total = order.terms["amount"]["total"]
        if amount["total"] != total or back + amount["refund"] > total:
            return _error(400, "INVALID_REQUEST")
        order.refunds[refund_no] = {
            "out_refund_no": refund_no,
            "refund_id": f"503{secrets.randbelow(10**25):025d}",
            "transaction_id": order.transaction_id,
            "status": self.refund_status,
            "notify_url": asked["notify_url"],
            "amount": amount,
        }
        return _json(self._reply(number, order.refunds[refund_no]))

    async def _query_refund(self, request: web.Request) -> web.Response:
        try:
            return _json(self._reply(*self._find_refund(request.match_info["number"])))
        except KeyError:
            return _error(404, "RESOURCE_NOT_EXISTS")

    def _find_refund(self, refund_no: str) -> tuple[str, dict[str, Any]]:
        for number, order in self.orders.items():
            if refund_no in order.refunds:
                return number, order.refunds[refund_no]
        raise KeyError(refund_no)

    def _reply(self, number: str, refund: dict[str, Any]) -> dict[str, Any]:
        return refund | {"out_trade_no": number.partition("#")[0], "channel": "ORIGINAL"}


def probe(callback: Callback) -> Callback:
    """The same callback with the signature by which WeChat sees whether we verify."""
    headers, body = callback
    signature = sign(rsa_key("nobody"), "x")
    return headers | {"Wechatpay-Signature": f"WECHATPAY/SIGNTEST/{signature}"}, body


def _transaction_id() -> str:
    return f"42000{secrets.randbelow(10**23):023d}"


def _error(status: int, code: str) -> web.Response:
    return _json({"code": code, "message": "said so by the twin"}, status)


def _json(body: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(
        status=status, body=json.dumps(body).encode(), content_type="application/json"
    )
