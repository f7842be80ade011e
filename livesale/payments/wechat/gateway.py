"""WeChat Pay, API v3, in the mini-program and in pages (JSAPI): a `PayGateway`.

https://pay.weixin.qq.com/doc/v3/merchant/4012791897 (prepay) and its neighbours. The order's number
there (out_trade_no) is the rid, so a query, a close and a repeated prepay all find the same order.
An openid is valid in one app only, and an order belongs to the app that it was announced in.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta, timezone
from time import time
from typing import Any, ClassVar, TypeVar
from urllib.parse import quote

from msgspec import UNSET, Struct

from livesale.identity.login import WeChatLogin, WeChatPageLogin
from livesale.payments.errors import GatewayRefused, GatewayUnknown
from livesale.payments.gateway import (
    Invitation,
    PaymentOrder,
    RefundAnswer,
    RefundOrder,
    RequestPayment,
    Trade,
    TradeState,
)
from livesale.payments.wechat.api import Unverified, WeChatPayApi
from livesale.payments.wechat.callbacks import CallbackReader
from livesale.payments.wechat.messages import (
    CURRENCY,
    RefundReply,
    TradeHead,
    payment_of,
    read,
    refund_answer_of,
)
from livesale.payments.wechat.signing import payment_message
from livesale.settings import WeChatPaySettings
from livesale.settings.wechat_keys import WeChatPayKeys
from livesale.tokens.apps import App
from livesale.wechat.client import Bounds

REFUND_REASON = "Order refunded"
BEIJING = timezone(timedelta(hours=8))
_UNKNOWN_THERE = {"ORDER_NOT_EXIST", "ORDERNOTEXIST", "RESOURCE_NOT_EXISTS", "NOT_FOUND"}
_CLOSED_THERE = {"ORDER_CLOSED", "ORDERCLOSED", *_UNKNOWN_THERE}
# NOTPAY, USERPAYING and PAYERROR may still be paid; REFUND is refunded already.
_CLOSED_STATES = {"CLOSED", "REVOKED", "REFUND"}
_PROVIDERS = {
    App.MINI_PROGRAM: WeChatLogin.name,
    App.OFFICIAL_ACCOUNT: WeChatPageLogin.name,
}
_UNPAID_STATES = {"NOTPAY", "USERPAYING", "PAYERROR", "ACCEPT"}


T = TypeVar("T")


class _PrepayReply(Struct):
    prepay_id: str


class WeChatPay:
    """`callbacks` reads the calls of WeChat to the notify routes."""

    name: ClassVar[str] = "wechat"

    def __init__(
        self,
        settings: WeChatPaySettings,
        keys: WeChatPayKeys,
        *,
        account_appid: str = "",
        now_s: Callable[[], float] = time,
        bounds: Bounds = Bounds(),  # noqa: B008  frozen
        proxy: str = "",
    ) -> None:
        """`account_appid` is that of the official account; empty: it takes no payments."""
        self._settings = settings
        self._appids = {App.MINI_PROGRAM: settings.appid}
        if account_appid:
            self._appids[App.OFFICIAL_ACCOUNT] = account_appid
        timeout_s = settings.timeout_ms / 1000
        self._api = WeChatPayApi(
            keys, settings.mchid, settings.base_url, timeout_s, now_s, bounds, proxy
        )
        self.callbacks = CallbackReader(self._api, keys, self._known, settings.mchid)

    @property
    def logins(self) -> Mapping[App, tuple[str, str]]:
        return {app: (_PROVIDERS[app], appid) for app, appid in self._appids.items()}

    @property
    def _known(self) -> frozenset[str]:
        return frozenset(self._appids.values())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with self._api.running():
            yield

    async def prepay(self, order: PaymentOrder) -> str:
        body = {
            "appid": self._appids[order.app],
            "mchid": self._settings.mchid,
            "description": order.description,
            "out_trade_no": order.order_id,
            "time_expire": rfc3339(order.expires_ms),
            "notify_url": self._settings.notify_url,
            "amount": {"total": order.amount_fen, "currency": CURRENCY},
            "payer": {"openid": order.payer},
        }
        answer = await self._api.ask("POST", "/v3/pay/transactions/jsapi", body)
        prepay_id = _trusted(answer, _PrepayReply).prepay_id
        if not 1 <= len(prepay_id) <= 64:
            raise GatewayUnknown("a prepay id of another form")
        return prepay_id

    async def invite(
        self, order_id: str, prepay_id: str, app: App = App.MINI_PROGRAM
    ) -> Invitation:
        appid = self._appids[app]
        timestamp, nonce = self._api.timestamp(), self._api.nonce()
        package = f"prepay_id={prepay_id}"
        message = payment_message(appid, timestamp, nonce, package)
        signature = await self._api.sign(message)
        shown = UNSET if app is App.MINI_PROGRAM else appid
        return Invitation(
            request_payment=RequestPayment(timestamp, nonce, package, "RSA", signature, shown)
        )

    async def query(self, order_id: str) -> Trade:
        target = f"/v3/pay/transactions/out-trade-no/{order_id}?mchid={quote(self._settings.mchid)}"
        try:
            answer = await self._api.ask("GET", target)
        except GatewayRefused as refusal:
            if refusal.code in _UNKNOWN_THERE:
                return Trade(TradeState.CLOSED)
            raise
        head = _trusted(answer, TradeHead)
        ours = (self._settings.mchid, order_id)
        if head.appid not in self._known or (head.mchid, head.out_trade_no) != ours:
            raise GatewayUnknown("an answer about another order")
        if head.trade_state == "SUCCESS":
            try:
                payment = payment_of(answer, self._known, self._settings.mchid)
            except Unverified as why:
                raise GatewayUnknown(f"a payment that is not ours: {why.reason}") from None
            return Trade(TradeState.PAID, payment)
        if head.trade_state in _CLOSED_STATES:
            return Trade(TradeState.CLOSED)
        if head.trade_state in _UNPAID_STATES:
            return Trade(TradeState.UNPAID)
        raise GatewayUnknown(f"trade_state {head.trade_state[:32]}")

    async def close(self, order_id: str) -> None:
        target = f"/v3/pay/transactions/out-trade-no/{order_id}/close"
        try:
            await self._api.ask("POST", target, {"mchid": self._settings.mchid})
        except GatewayRefused as refusal:
            if refusal.code not in _CLOSED_THERE:
                raise

    async def refund(self, order: RefundOrder) -> RefundAnswer:
        money = {"refund": order.amount_fen, "total": order.paid_fen, "currency": CURRENCY}
        body: dict[str, Any] = {
            "transaction_id": order.payment_id,
            "out_refund_no": order.refund_no,
            "reason": REFUND_REASON,
            "notify_url": f"{self._settings.notify_url}/refund",
            "amount": money,
        }
        answer = await self._api.ask("POST", "/v3/refund/domestic/refunds", body)
        reply = _trusted(answer, RefundReply)
        given = (reply.out_refund_no, reply.transaction_id, reply.out_trade_no)
        amounts = (reply.amount.refund, reply.amount.total, reply.amount.currency)
        if given != (order.refund_no, order.payment_id, order.order_id) or amounts != (
            *(order.amount_fen, order.paid_fen),
            CURRENCY,
        ):
            raise GatewayUnknown("an answer about another refund")
        return _refund_answer(reply)

    async def query_refund(self, refund_no: str) -> RefundAnswer | None:
        try:
            answer = await self._api.ask("GET", f"/v3/refund/domestic/refunds/{refund_no}")
        except GatewayRefused as refusal:
            if refusal.code in _UNKNOWN_THERE:
                return None
            raise
        reply = _trusted(answer, RefundReply)
        if reply.out_refund_no != refund_no:
            raise GatewayUnknown("an answer about another refund")
        return _refund_answer(reply)


def rfc3339(at_ms: int) -> str:
    """A time in WeChat's format: Beijing time, cut to whole seconds."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).astimezone(BEIJING).isoformat()


def _trusted(answer: bytes, kind: type[T]) -> T:
    try:
        return read(answer, kind)
    except Unverified:
        raise GatewayUnknown("an answer that is not as documented") from None


def _refund_answer(reply: RefundReply) -> RefundAnswer:
    try:
        return refund_answer_of(reply.status, reply.refund_id)
    except Unverified:
        raise GatewayUnknown(f"refund status {reply.status[:32]}") from None
