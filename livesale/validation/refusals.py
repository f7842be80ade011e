"""Refusals of the use cases. `code` is stable; `members` are what a caller needs to know besides.

SalesFault
├── Unknown          no such drop, campaign, SKU, reservation or order (for this caller)
├── InvalidField     a value that is well formed contradicts another, or names nothing
├── DropRefused      the drop's state or books do not allow this
│   └── StockRefused  the stock of a SKU does not
├── VersionConflict  the object was changed since the caller read it
├── InUse            something hangs on the object that is to be deleted
├── KeyConflict      an idempotency key was used before, for something else
├── RoomRefused      the state of a live room does not allow this
├── ReminderRefused  nobody is reminded of this, or this buyer is not
├── NameBlocked      a name of a person has blocked words
├── OperatorRefused  an operator may not be made or changed like this
├── LoginLocked      too many failed logins of one operator; carries how long to wait
├── TooOften         somebody says too much; carries how long to wait
├── PaymentRefused   this reservation cannot be paid, or not like this
├── RefundRefused    this order cannot be refunded, or not like this
├── OrderRefused     the state of an order does not allow this after the sale
├── AlreadySold      a paid reservation cannot be released
├── NotSelling       the drop is not open yet, paused or closed
├── ChallengeRequired  a ticket is given for a solved challenge only; carries a new one
└── PartitionClosed  Redis is not the one this process was started with: nothing may be sold
"""

from collections.abc import Mapping
from typing import Any

from livesale.errors import LivesaleError


class SalesFault(LivesaleError):
    """Base: a stable code, a sentence for people, and the data that goes with it."""

    def __init__(self, code: str, detail: str, **members: str | int) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.members = members


class Unknown(SalesFault):
    """Codes: unknown_drop, unknown_campaign, unknown_reservation, unknown_order, unknown_room,
    unknown_item, unknown_comment, unknown_member, unknown_bag, unknown_address, unknown_parcel,
    unknown_operator, unknown_session, unknown_case."""

    def __init__(self, code: str) -> None:
        super().__init__(code, f"There is no such {code.removeprefix('unknown_')}.")


class InvalidField(SalesFault):
    def __init__(self, field: str, detail: str) -> None:
        super().__init__("invalid_field", detail, field=field)


class DropRefused(SalesFault):
    """Codes: not_opened, already_open, drop_closed, drop_opened, line_needs_time, terms_conflict,
    too_few, too_many, no_tickets, prize_only."""


class StockRefused(DropRefused):
    """Codes: too_little_stock, stock_not_kept, code_taken."""


class VersionConflict(SalesFault):
    def __init__(self, kind: str, version: int) -> None:
        super().__init__("version_conflict", f"The {kind} now has version {version}.")


class InUse(SalesFault):
    def __init__(self, detail: str) -> None:
        super().__init__("in_use", detail)


class KeyConflict(SalesFault):
    def __init__(self, detail: str) -> None:
        super().__init__("idempotency_conflict", detail)


class RoomRefused(SalesFault):
    """Codes: room_state, room_over, version_conflict, shelf_full, item_hidden, not_yours,
    too_many_members, other_room, stream_taken, stream_ended, ingest_off, muted, room_muted, banned,
    comment_blocked, bag_running, bag_closed, bag_full, own_bag, phrase_missing, stay_longer,
    not_drawn, no_prize, prize_gone."""


class ReminderRefused(SalesFault):
    """Codes: reminders_off, not_reachable, too_many_reminders."""


class NameBlocked(SalesFault):
    def __init__(self, field: str) -> None:
        super().__init__("name_blocked", "It contains blocked words.", field=field)


class OperatorRefused(SalesFault):
    """Codes: operator_exists, operator_revoked, last_owner, not_a_person, no_new_factor."""


class LoginLocked(SalesFault):
    def __init__(self, wait_ms: int) -> None:
        super().__init__("login_locked", "", retry_after_s=-(-wait_ms // 1000))


class TooOften(SalesFault):
    """`by` is whose comments or likes were too many: buyer, or room for all together."""

    def __init__(self, by: str, wait_ms: int) -> None:
        super().__init__("slow_down", "", by=by, retry_after_s=-(-wait_ms // 1000))


class PaymentRefused(SalesFault):
    """Codes: hold_ended, payer_unknown, transaction_used, nothing_to_pay."""


class RefundRefused(SalesFault):
    """Codes: not_paid, already_refunded, partial_refund, too_much_back, refund_settled."""


class OrderRefused(SalesFault):
    """Codes: addresses_off, too_many_addresses, order_over, already_packed, not_sold, no_address,
    all_shipped, too_many_parcels, not_shipped, already_received, not_a_clerk, store_closed,
    wrong_code, pickup_used, case_open, case_over, too_late,
    nothing_left, too_many_cases, too_much_back."""


class AlreadySold(SalesFault):
    def __init__(self) -> None:
        super().__init__("already_sold", "It is paid for: nothing is left to pay or to release.")


class NotSelling(SalesFault):
    """Codes: not_open, paused, closed."""

    def __init__(self, code: str, opens_ms: int, server_ms: int) -> None:
        is_early = code == "not_open"
        members = {"opens_ms": opens_ms, "server_ms": server_ms} if is_early else {}
        super().__init__(code, "", **members)


class ChallengeRequired(SalesFault):
    """`challenge` is what the ALTCHA widget takes."""

    def __init__(self, detail: str, challenge: Mapping[str, Any]) -> None:
        super().__init__("challenge_required", detail)
        self.challenge = challenge


class PartitionClosed(SalesFault):
    def __init__(self) -> None:
        super().__init__("fenced", "This part of the stock is closed until it is recovered.")
