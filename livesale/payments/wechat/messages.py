"""WeChat Pay's messages about payments and refunds: parsed strictly, important fields compared.

Transactions have the same form in callbacks (encrypted) and in answers to queries:
https://pay.weixin.qq.com/doc/v3/merchant/4012791902; refunds: 4012791906.
"""

import re
from collections.abc import Collection
from typing import TypeVar

import msgspec
from msgspec import Struct

from livesale.identity.buyer_ids import wechat_buyer_id
from livesale.payments.gateway import Payment, RefundAnswer, RefundState
from livesale.payments.wechat.api import Unverified
from stock.ids import is_rid

CURRENCY = "CNY"
TRADE_TYPE = "JSAPI"

_is_transaction_id = re.compile(r"[0-9A-Za-z]{10,32}").fullmatch

T = TypeVar("T")


class _Amount(Struct):
    total: int
    currency: str


class _Payer(Struct):
    openid: str


class Transaction(Struct):
    """A successful payment. All fields are required."""

    appid: str
    mchid: str
    out_trade_no: str
    transaction_id: str
    trade_type: str
    trade_state: str
    amount: _Amount
    payer: _Payer


class TradeHead(Struct):
    """The fields of every answer to a query, paid or not."""

    appid: str
    mchid: str
    out_trade_no: str
    trade_state: str


class _RefundAmount(Struct):
    total: int
    refund: int


class RefundNotice(Struct):
    """The resource of a refund callback."""

    mchid: str
    out_trade_no: str
    transaction_id: str
    out_refund_no: str
    refund_id: str
    refund_status: str
    amount: _RefundAmount


class _RefundMoney(Struct):
    total: int
    refund: int
    currency: str


class RefundReply(Struct):
    """The answer to a refund, and to a query of a refund."""

    refund_id: str
    out_refund_no: str
    transaction_id: str
    out_trade_no: str
    status: str
    amount: _RefundMoney


_REFUND_STATES = {
    "PROCESSING": RefundState.ACCEPTED,
    "SUCCESS": RefundState.REFUNDED,
    "CLOSED": RefundState.FAILED,
    "ABNORMAL": RefundState.FAILED,
}


def read(raw: bytes, kind: type[T]) -> T:
    """Raises Unverified("fields")."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Unverified("fields") from None


def payment_of(raw: bytes, appids: Collection[str], mchid: str) -> Payment:
    """Convert a transaction in one of our apps into our payment.

    Raises Unverified with the first wrong field.
    """
    found = read(raw, Transaction)
    for field, fits in (
        ("appid", found.appid in appids),
        ("mchid", found.mchid == mchid),
        ("trade_state", found.trade_state == "SUCCESS"),
        ("trade_type", found.trade_type == TRADE_TYPE),
        ("currency", found.amount.currency == CURRENCY),
        ("amount", found.amount.total >= 1),
        ("transaction_id", _is_transaction_id(found.transaction_id)),
        ("out_trade_no", is_rid(found.out_trade_no)),
        ("payer", found.payer.openid),
    ):
        if not fits:
            raise Unverified(field)
    buyer_id = wechat_buyer_id(found.appid, found.payer.openid)
    return Payment(found.out_trade_no, found.transaction_id, found.amount.total, buyer_id)


def refund_answer_of(status: str, refund_id: str) -> RefundAnswer:
    """Raises Unverified for an undocumented status."""
    state = _REFUND_STATES.get(status)
    if state is None:
        raise Unverified("refund_status")
    return RefundAnswer(state, refund_id[:64], status)
