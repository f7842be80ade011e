"""What a buyer has, as it is shown to the buyer."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from livesale.catalogue.goods.service import Goods, ShownGoods, show_goods
from livesale.mine.service import OwnLimit, OwnOrder, OwnReminder, refunds_of
from livesale.mine.store import OwnCoupon, OwnRefund
from livesale.orders.routes import Payment
from livesale.orders.stages import NAMES
from livesale.reminders.service import ReminderKind, ReminderState
from livesale.rooms.bags.service import ShownPrize, state_of
from stock.model import HoldState

RefundState = Literal["due", "sent", "accepted", "refunded", "failed"]
Part = Literal["reservations", "limits", "orders", "refunds", "coupons", "reminders"]


class MyHold(Struct, frozen=True):
    """Units that are yours until `expires_ms`. `left_ms`: how long that is from `server_ms`."""

    reservation_id: str
    goods: ShownGoods
    room_id: str | None
    quantity: int
    price_fen: int
    amount_fen: int
    expires_ms: int
    left_ms: int


class MyLimit(Struct, frozen=True):
    """What a drop leaves you: `units` are held or sold, `left` may still be reserved. `barred`: too
    many of your holds expired."""

    goods: ShownGoods
    buyer_limit: int
    units: int
    left: int
    expired_holds: int
    barred: bool


class MyOrder(Struct, frozen=True):
    """An order, or a reservation that is not yet in the database: then `saved` is false, and
    `payment` is null unless it is paid. `stage` is that of a sold order on its way, else null.
    `back_fen`: the sum of its refunds, of which `refunded_fen` has arrived."""

    order_id: str
    goods: ShownGoods
    room_id: str | None
    status: HoldState
    quantity: int
    price_fen: int
    amount_fen: int
    expires_ms: int
    created_ms: int
    saved: bool
    payment: Payment | None
    stage: Literal["waiting", "packing", "shipped", "received", "cancelled"] | None
    back_fen: int
    refunded_fen: int


class MyRefund(Struct, frozen=True):
    """`reason`: too_late, paid_twice, operator, after_sale."""

    refund_no: str
    order_id: str
    goods: ShownGoods
    amount_fen: int
    state: RefundState
    reason: str
    created_ms: int
    updated_ms: int


class MyCoupon(Struct, frozen=True):
    """A coupon won in a lucky bag, whose `title` it has. Claim it until `claim_by_ms`; `code` is
    null before that."""

    bag_id: str
    room_id: str
    title: str
    coupon: str
    state: ShownPrize
    code: str | None
    claim_by_ms: int | None


class MyReminder(Struct, frozen=True):
    """`title` and `begins_ms` are those of the room or the drop."""

    kind: ReminderKind
    target_id: str
    title: str | None
    begins_ms: int | None
    state: ReminderState
    created_ms: int


class MyOrders(Struct, frozen=True):
    """Send `next` as `after` to get the next page; null at the end. `complete` is false while one
    of the stores is away: then orders may be missing, or older than they look."""

    orders: list[MyOrder]
    next: str | None
    complete: bool
    server_ms: int


class MyRefunds(Struct, frozen=True):
    """Send `next` as `after` to get the next page; null at the end."""

    refunds: list[MyRefund]
    next: str | None


class MyCoupons(Struct, frozen=True):
    """Send `next` as `after` to get the next page; null at the end."""

    coupons: list[MyCoupon]
    next: str | None


class Overview(Struct, frozen=True):
    """Everything of yours, each list from its beginning. `missing` names the lists that could not
    be read now, or only in part. A drop that is not in `limits` leaves you its whole
    `buyer_limit`."""

    holds: list[MyHold]
    limits: list[MyLimit]
    orders: MyOrders
    refunds: MyRefunds
    coupons: MyCoupons
    reminders: list[MyReminder]
    missing: list[Part]
    server_ms: int


def show_hold(own: OwnOrder, now_ms: int) -> MyHold:
    claim = own.reservation
    return MyHold(
        claim.rid,
        show_goods(own.drop_id, own.goods),
        own.goods.room_id,
        claim.quantity,
        claim.price_fen,
        claim.amount_fen,
        claim.expires_ms,
        max(0, claim.expires_ms - now_ms),
    )


def show_limit(own: OwnLimit) -> MyLimit:
    limit = own.limit
    return MyLimit(
        show_goods(limit.drop_id, own.goods),
        *(limit.buyer_limit, limit.units, limit.left, limit.expired_holds, limit.barred),
    )


def show_order(own: OwnOrder) -> MyOrder:
    claim, refunds = own.reservation, refunds_of(own)
    sold = claim.state == HoldState.SOLD
    payment = None
    if sold:
        payment = Payment.PAID
    elif own.order is not None and own.money is not None:
        payment = Payment(own.money.prepays.get(claim.rid, "none"))
    stage = NAMES[own.order.stage if own.order else ""] if sold else None
    return MyOrder(
        order_id=claim.rid,
        goods=show_goods(own.drop_id, own.goods),
        room_id=own.goods.room_id,
        status=claim.state,
        quantity=claim.quantity,
        price_fen=claim.price_fen,
        amount_fen=claim.amount_fen,
        expires_ms=claim.expires_ms,
        created_ms=own.created_ms,
        saved=own.order is not None,
        payment=payment,
        stage=stage,  # type: ignore[arg-type]
        back_fen=sum(refund.amount_fen for refund in refunds),
        refunded_fen=sum(refund.amount_fen for refund in refunds if refund.state == "refunded"),
    )


def show_refund(own: OwnRefund, goods: Mapping[str, Goods]) -> MyRefund:
    return MyRefund(
        *(own.refund_no, own.order_id, show_goods(own.drop_id, goods[own.drop_id])),
        *(own.amount_fen, own.state, own.reason, own.created_ms, own.updated_ms),  # type: ignore[arg-type]
    )


def show_coupon(own: OwnCoupon) -> MyCoupon:
    prize = own.prize
    return MyCoupon(
        *(prize.bag_id, own.room_id, own.title, own.coupon, state_of(prize, None)),
        *(prize.code if prize.claimed_ms else None, prize.claim_by_ms),
    )


def show_reminder(own: OwnReminder) -> MyReminder:
    one = own.reminder
    return MyReminder(
        *(one.kind, one.target_id, own.title, own.begins_ms, one.state, one.created_ms)
    )
