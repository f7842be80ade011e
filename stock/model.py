"""The words of the engine as types. No I/O.

What is common and expected (sold out, over the limit) is a value; faults are in `stock.errors`.
Every code is spelled as the Lua scripts spell it; `tests/stock/test_model.py` compares the two.
Money is an integer of fen, time an integer of milliseconds since 1970 UTC by Redis's clock.
"""

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from stock.books import Books

MAX_BATCH = 256
MAX_BEHIND = 1_000  # log entries that archiving looks at
MAX_QUANTITY = 1_000
MAX_SOURCE = 64  # characters that say what a grant is for
MAX_UNITS = 100_000_000
MAX_PRICE_FEN = 10_000_000_000
MAX_HOLD_MS = 7 * 24 * 3_600_000
MAX_TIME_MS = 9_999_999_999_999


class DropState(StrEnum):
    """`OPEN` sells between opens_ms and closes_ms; `CLOSED` is for ever."""

    OPEN = "open"
    PAUSED = "paused"
    CLOSED = "closed"


class HoldState(StrEnum):
    """A reservation is `HELD`, then exactly one of the others. Late money may revive to `SOLD`."""

    HELD = "held"
    SOLD = "sold"
    RELEASED = "released"
    EXPIRED = "expired"


class ReserveCode(StrEnum):
    __hash__ = str.__hash__  # Enum's is a function in Python, and each attempt is looked up by it

    HELD = "HELD"
    REPLAYED = "REPLAYED"
    SOLD_OUT = "SOLD_OUT"
    OVER_LIMIT = "OVER_LIMIT"
    BARRED = "BARRED"  # this buyer let too many holds of this drop expire
    NOT_OPEN = "NOT_OPEN"
    CLOSED = "CLOSED"
    PAUSED = "PAUSED"
    CONFLICT = "CONFLICT"  # the rid is taken by another payload
    TICKET_REQUIRED = "TICKET_REQUIRED"
    TICKET_INVALID = "TICKET_INVALID"  # it has expired, by the clock of Redis
    TICKET_USED = "TICKET_USED"  # it, or a newer one of this buyer, has reserved already
    UNREADABLE = "UNREADABLE"  # the rid is taken by a record that somebody broke
    UNKNOWN_DROP = "UNKNOWN_DROP"
    FENCED = "FENCED"


class ConfirmCode(StrEnum):
    SOLD = "SOLD"
    REPLAYED = "REPLAYED"  # this payment has already bought these goods
    LATE_SOLD = "LATE_SOLD"  # the hold had ended, the stock was there and was taken again
    REFUND_DUE = "REFUND_DUE"  # the money must go back
    MISMATCH = "MISMATCH"  # not the amount of this reservation; nothing changed
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
    CONFLICT = "CONFLICT"  # the rid is taken by another payload, or by a hold that is to be paid
    UNREADABLE = "UNREADABLE"  # the rid is taken by a record that somebody broke
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
    TOO_FEW = "TOO_FEW"  # fewer available than to be scrapped
    TOO_MANY = "TOO_MANY"  # more units than a drop may have
    CLOSED = "CLOSED"
    UNKNOWN_DROP = "UNKNOWN_DROP"
    FENCED = "FENCED"


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
    BEHIND = "BEHIND"  # the log behind SQL speaks of the drop, or is too long to be looked at
    DIFFERENT = "DIFFERENT"  # the books, or how many reservations there are, are not those of SQL
    FENCED = "FENCED"


class DropTerms(Struct, frozen=True):
    """What a drop sells and how: fixed when it is opened, but for `allotted`, which adjusts."""

    opens_ms: int
    closes_ms: int
    hold_ms: int
    buyer_limit: int
    price_fen: int
    allotted: int
    expired_limit: int = 3  # expired holds after which a buyer is barred; 0 never bars
    ticket_required: bool = False  # each reservation needs a purchase ticket, good once

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


class Ticket(Struct, frozen=True, gc=False):
    """A purchase ticket whose signature holds: for this buyer and this drop.

    `serial` is the microsecond of its issue. Used is what is not newer than the newest that the
    buyer used, so tickets are used in the order of their issue.
    """

    serial: int
    expires_ms: int


class Attempt(Struct, frozen=True, gc=False):
    """One buyer's try at `quantity` units: all of them or none.

    The ticket is no part of what a retry must repeat: an attempt that was answered is answered
    again, whichever ticket comes along.
    """

    rid: str
    buyer_id: str
    quantity: int = 1
    ticket: Ticket | None = None


class Grant(Struct, frozen=True, gc=False):
    """Units for a named buyer, without money.

    The rid follows from what they are given for (`stock.ids.origin_id`): so they are given once.
    """

    rid: str
    buyer_id: str
    quantity: int = 1


def check_grants(source: str, grants: Sequence[Grant]) -> None:
    """Raises ValueError for what no engine takes."""
    if not 1 <= len(grants) <= MAX_BATCH:
        raise ValueError(f"a batch has 1 to {MAX_BATCH} grants, not {len(grants)}")
    if not 1 <= len(source) <= MAX_SOURCE:
        raise ValueError(f"a source has 1 to {MAX_SOURCE} characters, not {len(source)}")


class Reservation(Struct, frozen=True, gc=False):
    """The record of one claim, as Redis holds it."""

    rid: str
    state: HoldState
    buyer_id: str
    quantity: int
    price_fen: int
    expires_ms: int
    paid_by: str = ""  # the payment that bought the goods; sold without one is granted
    refunds: tuple[str, ...] = ()  # payments whose money must go back

    @property
    def amount_fen(self) -> int:
        return self.quantity * self.price_fen


class Outcome(Struct, frozen=True, gc=False):
    """The answer to one attempt.

    `remaining` is what is available after the atomic step that answered; `reservation` is there
    for HELD and REPLAYED; `opens_ms` says when to come back after NOT_OPEN.
    """

    code: ReserveCode
    remaining: int = 0
    reservation: Reservation | None = None
    opens_ms: int = 0


class BatchOutcome(Struct, frozen=True, gc=False):
    """The answers to a batch, in the order of its attempts, and what one atomic step saw."""

    outcomes: list[Outcome]
    now_ms: int
    remaining: int
    buyers: int  # how many buyers this drop has ever held units for: it only grows


class ConfirmOutcome(Struct, frozen=True, gc=False):
    code: ConfirmCode
    reservation: Reservation | None = None


class GrantOutcome(Struct, frozen=True, gc=False):
    """`reservation` is there for GRANTED and REPLAYED."""

    code: GrantCode
    reservation: Reservation | None = None


class ReleaseOutcome(Struct, frozen=True, gc=False):
    code: ReleaseCode
    reservation: Reservation | None = None


class Snapshot(Struct, frozen=True, gc=False):
    """One drop at one instant, with the place in the log that this instant is."""

    drop_id: str
    state: DropState
    terms: DropTerms  # `allotted` is the present one
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
