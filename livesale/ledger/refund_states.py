"""The states of a refund: one table of states and answers of the gateway. No I/O.

due → sent (no answer yet) → accepted (by the gateway) → refunded, or failed, which a person must
handle. The gateway's latest answer wins. Callbacks have no order: they are repeated, overtake each
other and are replayed, so no callback takes a refund back from `refunded`. The keeper asks once
more instead, and that answer decides.
"""

DUE, SENT, ACCEPTED, REFUNDED, FAILED = "due", "sent", "accepted", "refunded", "failed"
STATES = (DUE, SENT, ACCEPTED, REFUNDED, FAILED)
ANSWERS = (ACCEPTED, REFUNDED, FAILED)  # livesale.payments.gateway.RefundState

WAITING = (DUE, SENT)  # not accepted by the gateway yet
UNDER_WAY = (DUE, SENT, ACCEPTED)
# Whose next step comes: somebody may act on a failed one at the gateway, and no callback is sure.
WATCHED = (*UNDER_WAY, FAILED)

# state → answer → state
AFTER: dict[str, dict[str, str]] = {
    DUE: {ACCEPTED: ACCEPTED, REFUNDED: REFUNDED, FAILED: FAILED},
    SENT: {ACCEPTED: ACCEPTED, REFUNDED: REFUNDED, FAILED: FAILED},
    ACCEPTED: {ACCEPTED: ACCEPTED, REFUNDED: REFUNDED, FAILED: FAILED},
    FAILED: {ACCEPTED: ACCEPTED, REFUNDED: REFUNDED, FAILED: FAILED},
    # `failed` after it: an old word, or the bank sent the money back. The keeper asks.
    REFUNDED: {ACCEPTED: REFUNDED, REFUNDED: REFUNDED, FAILED: ACCEPTED},
}


def is_doubted(state: str, answer: str) -> bool:
    """Whether an answer contradicts what was certain, so that the gateway is asked at once."""
    return state == REFUNDED and answer == FAILED
