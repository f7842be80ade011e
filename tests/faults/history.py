"""What clients, operators and the bank wrote down, and what the system says in the end. No I/O.

Times are milliseconds since 1970 by the harness's clock, unless they are the service's own. A
claim is one buyer's wish for units of a drop: all requests with one key, or one request without.
"""

from msgspec import Struct, field

UNCLEAR = {"lost", "outcome_unknown", "hung_up"}  # it may have taken effect


class Try(Struct, array_like=True):
    """One request of a claim. `code` is held, replayed, a problem's code, lost, refused (no
    connection, nothing was sent) or hung_up (the client left after it sent)."""

    sent_ms: float
    answered_ms: float
    code: str


class Answer(Struct, array_like=True, frozen=True):
    """A reservation as one request was told it."""

    rid: str
    quantity: int
    amount_fen: int
    expires_ms: int
    answered_ms: float


class Claim(Struct):
    drop_id: str
    buyer_id: str
    quantity: int
    rid: str  # as the key fixes it; empty without a key
    tries: list[Try] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    @property
    def unclear(self) -> bool:
        """Whether it may have taken effect without its buyer knowing."""
        return not self.answers and any(one.code in UNCLEAR for one in self.tries)


class Release(Struct):
    """`status` is what it was answered: released, expired, sold, or empty when nobody knows."""

    rid: str
    sent_ms: float
    answered_ms: float = 0.0
    status: str = ""


class Payment(Struct):
    """`result` is SOLD, LATE_SOLD, REPLAYED, REFUND_DUE, MISMATCH, UNKNOWN, or empty."""

    payment_id: str
    rid: str
    amount_fen: int
    sent_ms: float
    answered_ms: float = 0.0
    result: str = ""


class Adjust(Struct):
    """An operator's restock or scrapping; `reason` is its own. `done` None: nobody knows."""

    drop_id: str
    delta: int
    reason: str
    sent_ms: float
    done: bool | None = None


class Terms(Struct):
    """A drop as the operator made it."""

    drop_id: str
    allotted: int
    buyer_limit: int
    price_fen: int
    opens_ms: int
    hold_ms: int


class Blind(Struct, frozen=True):
    """A time in which Redis's clock and the harness's were not the same."""

    from_ms: float
    to_ms: float


class History(Struct):
    """All that was written down outside the system."""

    drops: dict[str, Terms] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)
    releases: list[Release] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)
    adjusts: list[Adjust] = field(default_factory=list)
    blind: list[Blind] = field(default_factory=list)


class OrderState(Struct, frozen=True):
    """An order in the end, by SQL. `created_ms` is Redis's time."""

    order_id: str
    drop_id: str
    buyer_id: str
    quantity: int
    amount_fen: int
    state: str
    expires_ms: int
    created_ms: int


class Movement(Struct, array_like=True, frozen=True):
    """A row of the ledger, in the order of the log."""

    drop_id: str
    order_id: str | None
    kind: str
    available: int
    held: int
    sold: int
    burned: int
    at_ms: int
    note: str | None = None


class PaymentState(Struct, frozen=True):
    payment_id: str
    order_id: str
    amount_fen: int
    result: str


class RefundState(Struct, frozen=True):
    payment_id: str
    order_id: str
    amount_fen: int


class Outcome(Struct):
    """All that the system says in the end: SQL's tables, and the counters of each drop in Redis."""

    orders: dict[str, OrderState] = field(default_factory=dict)
    ledger: list[Movement] = field(default_factory=list)
    payments: list[PaymentState] = field(default_factory=list)
    refunds: list[RefundState] = field(default_factory=list)
    redis: dict[str, tuple[int, int, int, int, int]] = field(default_factory=dict)
