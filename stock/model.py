"""The types of the engine. No I/O.

Expected results (sold out, over the limit) are values; faults are in `stock.errors`.
Every code is spelled as in the Lua scripts; `tests/stock/test_model.py` compares the two.
Money is an integer of fen, time an integer of milliseconds since 1970 UTC by Redis's clock.
"""

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from stock.books import Books
from stock.ids import is_drop_id, is_payment_id

MAX_BATCH = 256
MAX_BEHIND = 1_000  # log entries that archiving reads
MAX_QUANTITY = 1_000
MAX_SOURCE = 64  # characters of a grant's source
MAX_REASON = 200  # characters of the reason for taking units back
MAX_UNITS = 100_000_000
MAX_PRICE_FEN = 10_000_000_000
MAX_HOLD_MS = 7 * 24 * 3_600_000
MAX_TIME_MS = 9_999_999_999_999


class DropState(StrEnum):
    """`OPEN` sells between opens_ms and closes_ms; `CLOSED` is final."""

    OPEN = "open"
    PAUSED = "paused"
    CLOSED = "closed"


class HoldState(StrEnum):
    """A reservation is `HELD`, then one of the others. A late payment may still make it `SOLD`."""

    HELD = "held"
    SOLD = "sold"
    RELEASED = "released"
    EXPIRED = "expired"


class ReserveCode(StrEnum):
    __hash__ = str.__hash__  # Enum's own hash is a Python function, too slow for each attempt

    HELD = "HELD"
    REPLAYED = "REPLAYED"
    SOLD_OUT = "SOLD_OUT"
    OVER_LIMIT = "OVER_LIMIT"
    BARRED = "BARRED"  # too many of this buyer's holds of this drop expired
    NOT_OPEN = "NOT_OPEN"
    CLOSED = "CLOSED"
    PAUSED = "PAUSED"
    CONFLICT = "CONFLICT"  # the rid exists with another payload
    TICKET_REQUIRED = "TICKET_REQUIRED"
    TICKET_INVALID = "TICKET_INVALID"  # it has expired, by the clock of Redis
    TICKET_USED = "TICKET_USED"  # this ticket, or a newer one of this buyer, was used already
    UNREADABLE = "UNREADABLE"  # the rid exists as a corrupt record
    UNKNOWN_DROP = "UNKNOWN_DROP"
    FENCED = "FENCED"


class ConfirmCode(StrEnum):
    SOLD = "SOLD"
    REPLAYED = "REPLAYED"  # this payment has already bought the units
    LATE_SOLD = "LATE_SOLD"  # the hold had ended; the units were available and are sold now
    REFUND_DUE = "REFUND_DUE"  # a refund is due
    MISMATCH = "MISMATCH"  # the amount differs from the reservation's; nothing changed
    UNKNOWN = "UNKNOWN"
    FENCED = "FENCED"


class ReleaseCode(StrEnum):
    RELEASED = "RELEASED"
    REPLAYED = "REPLAYED"  # the hold had already ended without a sale
    ALREADY_SOLD = "ALREADY_SOLD"
    UNKNOWN = "UNKNOWN"  # no such reservation of this buyer
    FENCED = "FENCED"


class GrantCode(StrEnum):
    GRANTED = "GRANTED"
    REPLAYED = "REPLAYED"  # the rid was granted before, or its reservation has ended otherwise
    SOLD_OUT = "SOLD_OUT"
    OVER_LIMIT = "OVER_LIMIT"
    NOT_OPEN = "NOT_OPEN"
    CLOSED = "CLOSED"
    PAUSED = "PAUSED"
    CONFLICT = "CONFLICT"  # the rid exists with another payload, or as a hold with a price
    UNREADABLE = "UNREADABLE"  # the rid exists as a corrupt record
    UNKNOWN_DROP = "UNKNOWN_DROP"
    FENCED = "FENCED"


class OpenCode(StrEnum):
    OPENED = "OPENED"
    REPLAYED = "REPLAYED"
    CONFLICT = "CONFLICT"  # open already, with other terms
    FENCED = "FENCED"


class AdjustCode(StrEnum):
    ADJUSTED = "ADJUSTED"
    REPLAYED = "REPLAYED"
    CONFLICT = "CONFLICT"  # the same adjustment id with another delta
    TOO_FEW = "TOO_FEW"  # fewer units available than to scrap
    TOO_MANY = "TOO_MANY"  # above the maximum of a drop
    CLOSED = "CLOSED"
    UNKNOWN_DROP = "UNKNOWN_DROP"
    FENCED = "FENCED"


class TakeBackCode(StrEnum):
    TAKEN = "TAKEN"
    REPLAYED = "REPLAYED"
    CONFLICT = "CONFLICT"  # the same id with other units, another fate or reservation
    UNKNOWN = "UNKNOWN"  # no such reservation
    NOT_SOLD = "NOT_SOLD"
    TOO_MANY = "TOO_MANY"  # more units than the buyer still has of it
    CLOSED = "CLOSED"  # the books of a closed drop are final
    UNKNOWN_DROP = "UNKNOWN_DROP"
    FENCED = "FENCED"


class Fate(StrEnum):
    """What becomes of units that came back. The values are those of the log."""

    AVAILABLE = "a"  # on sale again
    BURNED = "b"


class StateCode(StrEnum):
    """Answers of pause, resume and close."""

    CHANGED = "CHANGED"
    REPLAYED = "REPLAYED"
    CLOSED = "CLOSED"
    TOO_EARLY = "TOO_EARLY"  # close-when-due before closes_ms
    UNKNOWN_DROP = "UNKNOWN_DROP"
    FENCED = "FENCED"


class ArchiveCode(StrEnum):
    ARCHIVED = "ARCHIVED"
    UNKNOWN_DROP = "UNKNOWN_DROP"
    UNFINISHED = "UNFINISHED"  # not closed, or units are held
    BEHIND = "BEHIND"  # SQL lacks log entries of the drop, or too many to check
    DIFFERENT = "DIFFERENT"  # the books or the number of reservations differ from SQL
    FENCED = "FENCED"


class DropTerms(Struct, frozen=True):
    """The terms of a drop: fixed at the opening, except `allotted`, which adjustments change."""

    opens_ms: int
    closes_ms: int
    hold_ms: int
    buyer_limit: int
    price_fen: int
    allotted: int
    expired_limit: int = 3  # a buyer with so many expired holds is barred; 0 for never
    ticket_required: bool = False  # each reservation needs a new purchase ticket
    campaign_id: str = ""  # of a campaign with a limit of its own, else empty
    campaign_limit: int = 0  # units one buyer may have of all its drops, which share a partition

    def __post_init__(self) -> None:
        for name, low, high in (
            ("opens_ms", 0, MAX_TIME_MS),
            ("closes_ms", 1, MAX_TIME_MS),
            ("hold_ms", 1, MAX_HOLD_MS),
            ("buyer_limit", 1, MAX_QUANTITY),
            ("price_fen", 0, MAX_PRICE_FEN),
            ("allotted", 0, MAX_UNITS),
            ("expired_limit", 0, 1_000_000),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} must be {low} to {high}, not {value}")
        if self.closes_ms <= self.opens_ms:
            raise ValueError("closes_ms must be after opens_ms")
        has_campaign = bool(self.campaign_id)
        if has_campaign and not is_drop_id(self.campaign_id):
            raise ValueError(f"not a campaign: {self.campaign_id!r}")
        if not has_campaign <= self.campaign_limit <= has_campaign * MAX_UNITS:
            raise ValueError(f"campaign_limit cannot be {self.campaign_limit}")

    @property
    def campaign(self) -> str:
        """The campaign in the form of the scripts: `id|limit`, or nothing."""
        return f"{self.campaign_id}|{self.campaign_limit}" if self.campaign_id else ""

    @property
    def text(self) -> str:
        """The terms in the form of lua/stock/open_drop.lua."""
        numbers: list[int | str] = [
            *(self.opens_ms, self.closes_ms, self.hold_ms, self.buyer_limit),
            *(self.price_fen, self.allotted, self.expired_limit),
        ]
        if self.campaign_id:
            numbers += [int(self.ticket_required), self.campaign]
        elif self.ticket_required:
            numbers.append(1)
        return "|".join(map(str, numbers))


class Ticket(Struct, frozen=True, gc=False):
    """A verified purchase ticket, for this buyer and this drop.

    `serial` is the microsecond of its issue. A ticket counts as used if the buyer has used it or a
    newer one, so tickets must be used in the order of their issue.
    """

    serial: int
    expires_ms: int


class Attempt(Struct, frozen=True, gc=False):
    """One buyer's try at `quantity` units: all of them or none.

    A retry need not repeat the ticket: an answered attempt gets the same answer with any ticket.
    """

    rid: str
    buyer_id: str
    quantity: int = 1
    ticket: Ticket | None = None


class Grant(Struct, frozen=True, gc=False):
    """Units for a named buyer, without payment.

    The rid is derived from the grant's origin (`stock.ids.origin_id`), so a grant happens once.
    """

    rid: str
    buyer_id: str
    quantity: int = 1


def check_grants(source: str, grants: Sequence[Grant]) -> None:
    """Raises ValueError for a batch that no engine accepts."""
    if not 1 <= len(grants) <= MAX_BATCH:
        raise ValueError(f"a batch has 1 to {MAX_BATCH} grants, not {len(grants)}")
    if not 1 <= len(source) <= MAX_SOURCE:
        raise ValueError(f"a source has 1 to {MAX_SOURCE} characters, not {len(source)}")


class TakeBack(Struct, frozen=True, gc=False):
    """Units of a sold reservation that came back, once per `take_id`."""

    rid: str
    take_id: str
    units: int
    fate: Fate
    reason: str


def check_take_back(back: TakeBack) -> None:
    """Raises ValueError for one that no engine accepts."""
    if not 1 <= back.units <= MAX_QUANTITY:
        raise ValueError(f"1 to {MAX_QUANTITY} units come back, not {back.units}")
    if not is_payment_id(back.take_id):
        raise ValueError(f"not an id: {back.take_id!r}")
    if len(back.reason) > MAX_REASON:
        raise ValueError(f"a reason has up to {MAX_REASON} characters, not {len(back.reason)}")


class Reservation(Struct, frozen=True, gc=False):
    """The record of one reservation in Redis."""

    rid: str
    state: HoldState
    buyer_id: str
    quantity: int
    price_fen: int
    expires_ms: int
    paid_by: str = ""  # the payment that bought the units; sold without one means granted
    refunds: tuple[str, ...] = ()  # payments to refund

    @property
    def amount_fen(self) -> int:
        return self.quantity * self.price_fen


class Outcome(Struct, frozen=True, gc=False):
    """The answer to one attempt.

    `remaining` is the number of available units after the atomic step; `reservation` is set for
    HELD and REPLAYED; `opens_ms` says when to retry after NOT_OPEN.
    """

    code: ReserveCode
    remaining: int = 0
    reservation: Reservation | None = None
    opens_ms: int = 0


class BatchOutcome(Struct, frozen=True, gc=False):
    """The answers to a batch, in the order of its attempts, and the state in that atomic step."""

    outcomes: list[Outcome]
    now_ms: int
    remaining: int
    buyers: int  # number of buyers who ever held units of this drop: it only grows


class ConfirmOutcome(Struct, frozen=True, gc=False):
    code: ConfirmCode
    reservation: Reservation | None = None


class GrantOutcome(Struct, frozen=True, gc=False):
    """`reservation` is set for GRANTED and REPLAYED."""

    code: GrantCode
    reservation: Reservation | None = None


class ReleaseOutcome(Struct, frozen=True, gc=False):
    code: ReleaseCode
    reservation: Reservation | None = None


class Snapshot(Struct, frozen=True, gc=False):
    """One drop at one instant, with its position in the log."""

    drop_id: str
    state: DropState
    terms: DropTerms  # `allotted` is the present value
    available: int
    held: int
    sold: int
    burned: int
    now_ms: int
    log_id: str
    epoch: int
    buyers: int
    reservations: int

    @property
    def books(self) -> Books:
        return Books(self.terms.allotted, self.available, self.held, self.sold, self.burned)
