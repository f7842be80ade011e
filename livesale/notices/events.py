"""What one buyer is told, as types. No I/O.

As an event of a room, a notice is its `type` and `at_ms`, and its subject under the noun of the
type. It says a state, not a step: getting one twice does no harm. Other features list theirs in
`Feature.notices`, and add them by `livesale.notices.service.Notices`.
"""

from typing import Any, Literal

from msgspec import Struct

from stock.model import HoldState


class Notice(Struct, frozen=True, kw_only=True, tag_field="type"):
    """`at_ms` is when it happened, by Redis's clock; for refunds by that of the service."""

    at_ms: int


class SoldView(Struct, frozen=True):
    """`late`: the hold had ended, and the units were still there. `won`: a prize, at price 0."""

    reservation_id: str
    drop_id: str
    status: HoldState
    quantity: int
    amount_fen: int
    late: bool
    won: bool


class EndedView(Struct, frozen=True):
    reservation_id: str
    drop_id: str
    status: HoldState
    quantity: int


class EndingView(Struct, frozen=True):
    reservation_id: str
    drop_id: str
    status: HoldState
    quantity: int
    expires_ms: int


class ReturnedView(Struct, frozen=True):
    reservation_id: str
    drop_id: str
    status: HoldState
    units: int


class RefundView(Struct, frozen=True):
    refund_no: str
    order_id: str
    drop_id: str
    amount_fen: int
    state: Literal["due", "sent", "accepted", "refunded", "failed"]


class ReservationSold(Notice, frozen=True, kw_only=True, tag="reservation.sold"):
    """Units are yours: paid, paid late, or won."""

    reservation: SoldView


class ReservationHeld(Notice, frozen=True, kw_only=True, tag="reservation.held"):
    """A unit is held for you by a draw or a waitlist: pay before `expires_ms`."""

    reservation: EndingView


class ReservationEnded(Notice, frozen=True, kw_only=True, tag="reservation.ended"):
    """A hold is over: released, or expired."""

    reservation: EndedView


class ReservationEnding(Notice, frozen=True, kw_only=True, tag="reservation.ending"):
    """A hold ends within 15 s. A hold that is as short as that may have no such notice."""

    reservation: EndingView


class ReservationReturned(Notice, frozen=True, kw_only=True, tag="reservation.returned"):
    """Units of a sold reservation came back."""

    reservation: ReturnedView


class RefundChanged(Notice, frozen=True, kw_only=True, tag="refund.changed"):
    """Money goes back: due, sent, accepted by the gateway, refunded; or failed, which an operator
    handles."""

    refund: RefundView


class OwnNotices(Struct, frozen=True, kw_only=True, tag_field="type", tag="mine"):
    """What happened to your own things. Keep `place`, and send it when you connect again.
    `read_again`: something may have been missed, so what you show of them may be old."""

    place: str
    read_again: bool
    server_ms: int
    events: list[dict[str, Any]]


NOTICES: tuple[type[Notice], ...] = (
    *(ReservationHeld, ReservationSold, ReservationEnded, ReservationEnding),
    ReservationReturned,
    RefundChanged,
)
