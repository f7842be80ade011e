"""/v1/admin/refunds, POST /v1/admin/orders/{order_id}/refund"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from livesale.access.actions import Action
from livesale.ledger.refunds import Refund
from livesale.parts import Parts
from livesale.payments.refunds import Refunds
from livesale.validation.texts import prose, whole
from livesale.web.routes import (
    Answer,
    Call,
    Nothing,
    PathParameter,
    Route,
    declare_path_parameters,
)
from stock.model import MAX_PRICE_FEN, MAX_QUANTITY

State = Literal["due", "sent", "accepted", "refunded", "failed"]


class NewRefund(Struct, frozen=True, forbid_unknown_fields=True):
    """By `amount_fen`, by `units`, or all that is left. A part needs a `refund_id` of yours."""

    reason: Annotated[str, prose(examples=["broken"])]
    amount_fen: Annotated[int, Meta(ge=1, le=MAX_PRICE_FEN * MAX_QUANTITY)] | None = None
    units: Annotated[int, Meta(ge=1, le=MAX_QUANTITY)] | None = None
    refund_id: Annotated[str, whole(r"^[A-Za-z0-9_-]{1,64}$")] | None = None


class ShownRefund(Struct, frozen=True):
    """`refund_no` is ours, `gateway_no` the gateway's; `note` is an operator's text; `paid_fen` is
    the whole payment."""

    refund_no: str
    order_id: str
    payment_id: str
    amount_fen: int
    paid_fen: int
    state: State
    reason: str
    note: str
    gateway_no: str
    tries: int
    last_error: str
    created_ms: int
    updated_ms: int


class RefundsQuery(Struct, frozen=True):
    state: Annotated[
        str,
        whole(
            r"^(due|sent|accepted|refunded|failed)?$",
            description="due, sent, accepted, refunded or failed; all by default",
        ),
    ] = ""
    after: Annotated[
        str,
        whole(r"^([0-9]{1,13}\.[A-Za-z0-9_-]{1,64})?$", description="`next` of a page"),
    ] = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


class RefundPage(Struct, frozen=True):
    """Send `next` as `after` to get the next page; null at the end."""

    refunds: list[ShownRefund]
    next: str | None


async def list_refunds(parts: Parts, call: Call) -> Answer:
    query = call.query
    found, cursor = await parts[Refunds].page(
        query.state or None, after=query.after, limit=query.limit
    )
    return Answer(200, RefundPage([_shown(refund) for refund in found], cursor))


async def refund_order(parts: Parts, call: Call) -> Answer:
    body = call.body
    made, is_new = await parts[Refunds].order(
        *(call.path["order_id"], body.reason, body.amount_fen),
        units=body.units,
        refund_id=body.refund_id,
    )
    return Answer(201 if is_new else 200, _shown(made))


async def retry_refund(parts: Parts, call: Call) -> Answer:
    return Answer(200, _shown(await parts[Refunds].retry(call.path["refund_no"])))


def _shown(refund: Refund) -> ShownRefund:
    return ShownRefund(**{name: getattr(refund, name) for name in ShownRefund.__struct_fields__})


declare_path_parameters(
    refund_no=PathParameter(r"^[A-Za-z0-9_-]{1,64}$", "unknown_refund", "A refund's number"),
)

ROUTES = [
    Route(
        "GET",
        "/v1/admin/refunds",
        list_refunds,
        "Refunds, the newest first",
        "admin",
        {200: RefundPage},
        ("store_unavailable",),
        auth="operator",
        action=Action.REFUND_READ,
        query=RefundsQuery,
    ),
    Route(
        "POST",
        "/v1/admin/refunds/{refund_no}/retry",
        retry_refund,
        "Send a refund again now",
        "admin",
        {200: ShownRefund},
        ("unknown_refund", "refund_settled", "store_unavailable"),
        auth="operator",
        action=Action.REFUND_ORDER,
        body=Nothing,
        default_body=Nothing(),
        changes=True,
        description=(
            "A failed one, or one that the gateway has not accepted yet. The keeper sends it soon, "
            "by its old number, which the gateway pays at most once. May be repeated."
        ),
    ),
    Route(
        "POST",
        "/v1/admin/orders/{order_id}/refund",
        refund_order,
        "Refund a sold order",
        "admin",
        {201: ShownRefund, 200: ShownRefund},
        (
            *("unknown_order", "not_paid", "already_refunded", "partial_refund", "too_much_back"),
            *("invalid_field", "idempotency_conflict", "store_unavailable"),
        ),
        auth="operator",
        action=Action.REFUND_ORDER,
        body=NewRefund,
        changes=True,
        description=(
            "All that is left, once, or parts of it. The keeper sends it until the gateway has "
            "accepted it. This returns no stock: an after-sale case does. If all of it goes back "
            "before anything is packed, the order is cancelled."
        ),
    ),
]
