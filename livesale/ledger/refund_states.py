"""The states of a refund: one table of states and answers of the gateway. No I/O.

due → sent (no answer yet) → accepted (by the gateway) → refunded, or failed, which a person must
handle: at the gateway, or by making it due again. The gateway's latest answer wins. Callbacks
arrive in any order and may repeat, so no callback moves a refund out of `refunded`. Instead the
keeper asks once more, and that answer decides.
"""

DUE, SENT, ACCEPTED, REFUNDED, FAILED = "due", "sent", "accepted", "refunded", "failed"
STATES = (DUE, SENT, ACCEPTED, REFUNDED, FAILED)
ANSWERS = (ACCEPTED, REFUNDED, FAILED)  # livesale.payments.gateway.RefundState

WAITING = (DUE, SENT)  # not accepted by the gateway yet
UNDER_WAY = (DUE, SENT, ACCEPTED)
# States that the keeper checks: a person may handle a failed one, and a callback may get lost.
WATCHED = (*UNDER_WAY, FAILED)

# States that an operator may make due again. The number stays, so the gateway pays it once.
RETRIED = (DUE, SENT, FAILED)

# state → answer → state
AFTER: dict[str, dict[str, str]] = {
    DUE: {ACCEPTED: ACCEPTED, REFUNDED: REFUNDED, FAILED: FAILED},
    SENT: {ACCEPTED: ACCEPTED, REFUNDED: REFUNDED, FAILED: FAILED},
    ACCEPTED: {ACCEPTED: ACCEPTED, REFUNDED: REFUNDED, FAILED: FAILED},
    FAILED: {ACCEPTED: ACCEPTED, REFUNDED: REFUNDED, FAILED: FAILED},
    # `failed` after it: an old callback, or the bank returned the money. The keeper asks.
    REFUNDED: {ACCEPTED: REFUNDED, REFUNDED: REFUNDED, FAILED: ACCEPTED},
}


def is_doubted(state: str, answer: str) -> bool:
    """Whether a callback contradicts a final state, so that we ask the gateway at once."""
    return state == REFUNDED and answer == FAILED
