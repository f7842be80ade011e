"""WeChat's shipping information: without it, the money of an order stays frozen.

POST {base_url}/wxa/sec/order/upload_shipping_info?access_token=…, see
https://developers.weixin.qq.com/miniprogram/dev/platform-capabilities/business-capabilities/
order-shipping/order-shipping.html
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

from livesale.orders.shipments.carriers import Method
from livesale.settings import Settings
from livesale.tasks.turns import Crowded
from livesale.wechat.access_token import AccessToken, NoAccessToken
from livesale.wechat.client import Bounds, NoAnswer, NotAsked, Outgoing

_AT_ONCE = 4
_STALE_TOKEN = {40001, 40014, 42001}
_LATER = {-1, 45009, 45011}  # busy; the day's quota; too many a minute
_BEIJING = timezone(timedelta(hours=8))
_LOGISTICS = {Method.EXPRESS: 1, Method.LOCAL: 2, Method.VIRTUAL: 3, Method.PICKUP: 4}
_WHOLE, _IN_PARTS = 1, 2
MAX_ITEM = 120
MAX_PARCELS = 10  # of one call


class Outcome(StrEnum):
    SENT = "sent"
    LATER = "later"
    REFUSED = "refused"


class Delivery(Struct, frozen=True):
    outcome: Outcome
    detail: str = ""


class SentParcel(Struct, frozen=True):
    method: Method
    carrier: str
    number: str
    last_four: str  # of the receiver's phone: SF needs it


class Shipping(Struct, frozen=True):
    """What WeChat is told of an order."""

    payment_id: str
    openid: str
    item: str
    is_complete: bool
    parcels: Sequence[SentParcel]

    def __repr__(self) -> str:  # an openid is personal
        return f"Shipping({self.payment_id!r})"


class _Answer(Struct):
    errcode: int
    errmsg: str = ""


class WeChatShipping:
    """Open it with `running`. The credentials are those of the mini-program."""

    def __init__(self, settings: Settings) -> None:
        wechat = settings.wechat
        self._url = f"{wechat.base_url.rstrip('/')}/wxa/sec/order/upload_shipping_info"
        self._outgoing = Outgoing(
            wechat.base_url,
            wechat.timeout_ms / 1000,
            Bounds(2 * _AT_ONCE, None),
            wechat.proxy.get_secret_value(),
        )
        self._token = AccessToken(
            appid=wechat.appid,
            secret=wechat.secret.get_secret_value(),
            base_url=wechat.base_url,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with self._outgoing.running():
            yield

    async def upload(self, shipping: Shipping, at_ms: int) -> Delivery:
        """Tell WeChat; may be repeated. If it refuses the token, retry once with a new one."""
        try:
            token = await self._token.get(self._outgoing)
            answer = await self._ask(token, shipping, at_ms)
            if isinstance(answer, _Answer) and answer.errcode in _STALE_TOKEN:
                token = await self._token.get(self._outgoing, not_this=token)
                answer = await self._ask(token, shipping, at_ms)
        except NoAccessToken as why:
            return Delivery(Outcome.LATER, str(why)[:200])
        if isinstance(answer, Delivery):
            return answer
        if not answer.errcode:
            return Delivery(Outcome.SENT)
        later = answer.errcode in _LATER or answer.errcode in _STALE_TOKEN
        detail = f"errcode {answer.errcode}: {answer.errmsg}"[:200]
        return Delivery(Outcome.LATER if later else Outcome.REFUSED, detail)

    async def _ask(self, token: str, shipping: Shipping, at_ms: int) -> _Answer | Delivery:
        try:
            found = await self._outgoing.ask(
                "POST",
                self._url,
                params={"access_token": token},
                data=msgspec.json.encode(body_of(shipping, at_ms)),
                headers={"Content-Type": "application/json"},
            )
        except (Crowded, NotAsked, NoAnswer) as fault:
            return Delivery(Outcome.LATER, str(fault)[:200])
        try:
            return msgspec.json.decode(found.body, type=_Answer)
        except msgspec.MsgspecError:
            return Delivery(Outcome.LATER, f"HTTP {found.status}, not as WeChat documents")


def body_of(shipping: Shipping, at_ms: int) -> dict[str, Any]:
    """The body of the call."""
    found = shipping.parcels[:MAX_PARCELS]
    whole = shipping.is_complete and len(found) == 1
    body: dict[str, Any] = {
        "order_key": {"order_number_type": 2, "transaction_id": shipping.payment_id},
        "logistics_type": _LOGISTICS[found[0].method],
        "delivery_mode": _WHOLE if whole else _IN_PARTS,
        "shipping_list": [_parcel(parcel, shipping.item) for parcel in found],
        "upload_time": _rfc3339(at_ms),
        "payer": {"openid": shipping.openid},
    }
    if not whole:
        body["is_all_delivered"] = shipping.is_complete
    return body


def _parcel(parcel: SentParcel, item: str) -> dict[str, Any]:
    row: dict[str, Any] = {"item_desc": item[:MAX_ITEM]}
    if parcel.method is Method.EXPRESS:
        row |= {"tracking_no": parcel.number, "express_company": parcel.carrier}
        if parcel.last_four:
            row["contact"] = {"receiver_contact": f"*******{parcel.last_four}"}
    return row


def _rfc3339(at_ms: int) -> str:
    at = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(_BEIJING)
    return at.isoformat(timespec="milliseconds")


def make_shipping(settings: Settings) -> WeChatShipping | None:
    """None unless orders are paid by WeChat and the mini-program's credentials are set."""
    return WeChatShipping(settings) if is_on(settings) else None


def is_on(settings: Settings) -> bool:
    wechat = settings.wechat
    has_app = bool(wechat.appid and wechat.secret.get_secret_value())
    return settings.payments.gateway == "wechat" and has_app
