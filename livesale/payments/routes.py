"""POST /v1/reservations/{reservation_id}/payment, and the simulated bank."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from livesale.parts import Parts
from livesale.payments.errors import AmountMismatch
from livesale.payments.gateway import PayGateway, Payment, RequestPayment
from livesale.payments.intake import Intake, PaymentResult
from livesale.payments.simulated import SimulatedGateway
from livesale.payments.start import Payments
from livesale.sales.reservations import Reservations
from livesale.validation.refusals import PaymentRefused
from livesale.validation.texts import whole
from livesale.web.problems import ENGINE_PROBLEMS, Problem
from livesale.web.routes import Answer, Call, Nothing, Route
from stock.ids import PAYMENT_ID_PATTERN
from stock.model import MAX_PRICE_FEN, MAX_QUANTITY


class PaymentStarted(Struct, frozen=True):
    """How to pay: `request_payment` for wx.requestPayment, or in a page for getBrandWCPayRequest;
    or the `link` of the simulated bank."""

    reservation_id: str
    order_id: str
    gateway: str
    amount_fen: int
    expires_ms: int
    link: str | UnsetType = UNSET
    request_payment: RequestPayment | UnsetType = UNSET


class SimulatedPayment(Struct, frozen=True, forbid_unknown_fields=True):
    """By default, `amount_fen` is the order's amount and the transaction id is new."""

    outcome: Literal["paid", "failed"]
    transaction_id: (
        Annotated[str, whole(PAYMENT_ID_PATTERN, description="the same id is a repeat")] | None
    ) = None
    amount_fen: Annotated[int, Meta(ge=0, le=MAX_PRICE_FEN * MAX_QUANTITY)] | None = None


class SimulatedResult(Struct, frozen=True):
    reservation_id: str
    order_id: str
    transaction_id: str | None
    result: PaymentResult


async def start_payment(parts: Parts, call: Call) -> Answer:
    started = await parts[Payments].start(call.path["reservation_id"], call.buyer_id, call.app)
    reservation, invitation = started.reservation, started.invitation
    return Answer(
        201,
        PaymentStarted(
            reservation.rid,
            reservation.rid,
            started.gateway,
            reservation.amount_fen,
            reservation.expires_ms,
            invitation.link or UNSET,
            invitation.request_payment or UNSET,
        ),
    )


async def simulate_payment(parts: Parts, call: Call) -> Answer:
    bank, rid, word = parts[PayGateway], call.path["reservation_id"], call.body
    if not isinstance(bank, SimulatedGateway):
        raise Problem("gateway_off")
    reservation = await parts[Reservations].find_any(rid)
    if word.outcome == "failed":
        return Answer(200, SimulatedResult(rid, rid, word.transaction_id, PaymentResult.FAILED))
    amount_fen = reservation.amount_fen if word.amount_fen is None else word.amount_fen
    if amount_fen != reservation.amount_fen:  # check before the bank stores the transaction
        raise AmountMismatch(f"{amount_fen} fen for {rid}")
    payment_id = await bank.book(rid, word.transaction_id)
    if payment_id is None:
        raise PaymentRefused("transaction_used", "This transaction has paid for another order.")
    receipt = await parts[Intake].take(Payment(rid, payment_id, amount_fen))
    return Answer(200, SimulatedResult(rid, rid, payment_id, receipt.result))


ROUTES = [
    Route(
        "POST",
        "/v1/reservations/{reservation_id}/payment",
        start_payment,
        "Pay for a hold",
        "payments",
        {201: PaymentStarted},
        (
            *("unknown_reservation", "hold_ended", "already_sold", "payer_unknown"),
            *("nothing_to_pay", "paying_elsewhere"),
            *("payment_refused", "payment_unavailable"),
            *("overloaded", "engine_refused", "store_unavailable"),
        ),
        auth="buyer",
        body=Nothing,
        default_body=Nothing(),
        description=(
            "In the app of this login: its token says which. "
            "May be repeated: the same order is announced again, never a second one. A payment "
            "until `expires_ms` buys the units; a later one only if they are still available."
        ),
    ),
    Route(
        "POST",
        "/v1/payments/simulated/{reservation_id}",
        simulate_payment,
        "Play the bank",
        "payments",
        {200: SimulatedResult},
        (
            *("gateway_off", "unknown_reservation", "amount_mismatch", "transaction_used"),
            *("payment_unavailable", *ENGINE_PROBLEMS, "store_unavailable"),
        ),
        body=SimulatedPayment,
        description=(
            "Only if LIVESALE__PAYMENTS__GATEWAY is simulated. `paid` has the effect of a "
            "verified callback and may be repeated; `failed` has none."
        ),
    ),
]
