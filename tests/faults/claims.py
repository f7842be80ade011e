"""Checks of what buyers were answered, claim by claim. No I/O."""

from collections import Counter
from collections.abc import Iterable

from tests.faults.history import UNCLEAR, Blind, Claim, History, Outcome

FLAG_MS = 200  # for so long another worker may call a drop sold out by itself
CLOCK_MS = 10  # what two readings of one clock may differ by, cut to milliseconds

# What a buyer may be answered while things break. Whatever else comes is a finding.
PROMISED = {
    *("held", "replayed", "sold_out", "over_limit", "barred", "not_open", "closed", "paused"),
    *("slow_down", "overloaded", "outcome_unknown", "engine_refused", "fenced"),
    *("store_unavailable", *UNCLEAR, "refused", "ticket_used", "ticket_invalid"),
}
# After a reservation is known to its buyer, the same key must not be answered so.
_REFUSALS = {"sold_out", "over_limit", "barred", "not_open", "closed", "paused"}


def one_key_has_one_answer(found: Iterable[Claim]) -> list[str]:
    """All answers to a key are the same reservation, created at most once, and never taken back."""
    wrong = []
    for claim in found:
        told = {(a.rid, a.quantity, a.amount_fen, a.expires_ms) for a in claim.answers}
        if len(told) > 1:
            wrong.append(f"{claim.buyer_id} heard {len(told)} answers to one key: {sorted(told)}")
        if claim.rid and any(answer.rid != claim.rid for answer in claim.answers):
            wrong.append(f"{claim.buyer_id} was given {told}, the key stands for {claim.rid}")
        created = sum(one.code == "held" for one in claim.tries)
        if created > 1:
            wrong.append(f"{claim.rid} was created {created} times")
        if claim.answers and len(claim.tries) > 1:
            wrong += _taken_back(claim)
    return wrong


def _taken_back(claim: Claim) -> list[str]:
    known_ms = min(answer.answered_ms for answer in claim.answers)
    # The flag of another worker may not know this buyer yet, for as long as it lives.
    return [
        f"{claim.rid} was known at {known_ms:.0f}, its retry at {one.sent_ms:.0f} heard {one.code}"
        for one in claim.tries
        if one.code in _REFUSALS
        and one.sent_ms > known_ms + (FLAG_MS + CLOCK_MS if one.code == "sold_out" else 0)
    ]


def nothing_is_early(history: History, outcome: Outcome) -> list[str]:
    """No reservation before the opening: by Redis's clock, and by ours where the two agree."""
    wrong = []
    for order in outcome.orders.values():
        terms = history.drops.get(order.drop_id)
        if terms and order.created_ms < terms.opens_ms:
            early_ms = terms.opens_ms - order.created_ms
            wrong.append(f"{order.order_id} was made {early_ms} ms before the opening")
    for claim in history.claims:
        terms = history.drops.get(claim.drop_id)
        for answer in claim.answers:
            if terms is None or answer.answered_ms >= terms.opens_ms - CLOCK_MS:
                continue
            if not is_blind(history.blind, answer.answered_ms, terms.opens_ms):
                wrong.append(f"{answer.rid} was answered before {terms.opens_ms}, the opening")
    return wrong


def surprises(found: Iterable[Claim]) -> list[str]:
    """Answers that no buyer should get, whatever breaks."""
    codes = Counter(one.code for claim in found for one in claim.tries)
    return [f"{count} × {code}" for code, count in codes.items() if code not in PROMISED]


def is_blind(blind: Iterable[Blind], from_ms: float, to_ms: float) -> bool:
    """Whether the clocks differed at some time between."""
    return any(window.from_ms <= to_ms and from_ms <= window.to_ms for window in blind)
