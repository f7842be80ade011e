"""POST /v1/payments/wechat/notify and …/notify/refund: the callbacks of WeChat Pay.

If WeChat gets no answer within 5 s, or no 2xx, it repeats the call: after 15 s, then less and less
often, for a day. So the answer is 200 only after the effect is durable, and never a guess.
"""

import asyncio
from typing import Literal

import structlog
from msgspec import Struct

from livesale.parts import Parts
from livesale.payments.errors import AmountMismatch, CallbackRefused
from livesale.payments.gateway import PayGateway
from livesale.payments.intake import Intake
from livesale.payments.metrics import CALLBACKS_REFUSED
from livesale.payments.refunds import Refunds
from livesale.payments.wechat.gateway import WeChatPay
from livesale.web.problems import ENGINE_PROBLEMS, Problem
from livesale.web.routes import Answer, Call, Handler, Route
from stock.errors import OutcomeUnknown

ANSWER_S = 4.0
MAX_AT_ONCE = 256  # concurrent verifications in one worker: a flood of forgeries waits

log = structlog.get_logger(__name__)


class Heard(Struct, frozen=True):
    """The answer that WeChat Pay expects."""

    code: Literal["SUCCESS"] = "SUCCESS"


class _Busy:
    def __init__(self) -> None:
        self.now = 0


_busy = _Busy()


async def notify_payment(parts: Parts, call: Call) -> Answer:
    gateway = _wechat(parts)
    assert call.headers is not None  # noqa: S101  the route is signed
    payment = await gateway.callbacks.read_payment(call.headers, call.raw)
    await parts[Intake].take(payment)
    return Answer(200, Heard())


async def notify_refund(parts: Parts, call: Call) -> Answer:
    gateway = _wechat(parts)
    assert call.headers is not None  # noqa: S101  the route is signed
    await parts[Refunds].hear(await gateway.callbacks.read_refund(call.headers, call.raw))
    return Answer(200, Heard())


def _wechat(parts: Parts) -> WeChatPay:
    gateway = parts[PayGateway]
    if not isinstance(gateway, WeChatPay):
        raise Problem("gateway_off")
    return gateway


def _guarded(handler: Handler) -> Handler:
    """Limits concurrency and time. Counts a refusal; its reason goes only to the log."""

    async def guarded(parts: Parts, call: Call) -> Answer:
        if _busy.now >= MAX_AT_ONCE:
            raise Problem("overloaded")
        _busy.now += 1
        try:
            async with asyncio.timeout(ANSWER_S):
                return await handler(parts, call)
        except (CallbackRefused, AmountMismatch) as refusal:
            reason = refusal.reason if isinstance(refusal, CallbackRefused) else "amount"
            CALLBACKS_REFUSED.labels(reason).inc()
            log.warning("refused a callback", reason=reason, detail=str(refusal))
            raise Problem("callback_refused") from None
        except TimeoutError:
            raise OutcomeUnknown("the callback took too long") from None
        finally:
            _busy.now -= 1

    guarded.__name__ = handler.__name__
    return guarded


def _route(path: str, handler: Handler, summary: str) -> Route:
    return Route(
        "POST",
        path,
        _guarded(handler),
        summary,
        "payments",
        {200: Heard},
        ("gateway_off", "callback_refused", *ENGINE_PROBLEMS, "store_unavailable"),
        signed=True,
        limited=False,
        description=(
            "Signed by WeChat Pay over the unchanged body, encrypted, and compared field by field. "
            "After any status but 200, it repeats the call."
        ),
    )


ROUTES = [
    _route("/v1/payments/wechat/notify", notify_payment, "A payment callback of WeChat Pay"),
    _route("/v1/payments/wechat/notify/refund", notify_refund, "A refund callback of WeChat Pay"),
]
