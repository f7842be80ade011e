"""Checks of the stock: at every instant of the ledger, and by what buyers alone know. No I/O."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable

from tests.faults.claims import CLOCK_MS, FLAG_MS, is_blind
from tests.faults.history import History, Movement, Outcome

_AFTER = {  # what may follow what in the life of a reservation
    "": {"reserve"},
    "reserve": {"confirm", "release", "expire"},
    "release": {"late_confirm"},
    "expire": {"late_confirm"},
    "confirm": set[str](),
    "late_confirm": set[str](),
}
_STATE = {
    "reserve": "held",
    "confirm": "sold",
    "late_confirm": "sold",
    "release": "released",
    "expire": "expired",
}


def stock_never_runs_below_zero(outcome: Outcome) -> list[str]:
    """No counter of a drop is ever negative, by adding up the ledger."""
    wrong = []
    counters: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for move in outcome.ledger:
        now = counters[move.drop_id]
        for at, delta in enumerate((move.available, move.held, move.sold, move.burned)):
            now[at] += delta
        if min(now) < 0:
            wrong.append(f"{move.drop_id} was at {now} after {move.kind} of {move.order_id}")
    return wrong


def every_hold_ends_once(outcome: Outcome) -> list[str]:
    """Each reservation begins once, ends at most once, and is in the state it ended in."""
    wrong = []
    last: dict[str, str] = {}
    units: dict[str, int] = {}
    for move in outcome.ledger:
        rid = move.order_id
        if rid is None:
            continue
        before = last.get(rid, "")
        if move.kind not in _AFTER[before]:
            wrong.append(f"{rid}: {move.kind} after {before or 'nothing'}")
        last[rid] = move.kind
        moved = max(abs(move.available), abs(move.held), abs(move.sold))
        if units.setdefault(rid, moved) != moved:
            wrong.append(f"{rid}: {move.kind} of {moved} units, it had {units[rid]}")
    for order in outcome.orders.values():
        state = _STATE.get(last.get(order.order_id, ""), "unknown")
        if state != order.state or units.get(order.order_id) != order.quantity:
            wrong.append(f"{order.order_id} is {order.state}, the ledger says {state}")
    missing = last.keys() - outcome.orders.keys()
    return wrong + [f"{rid} is in the ledger and no order" for rid in sorted(missing)]


def all_books_agree(outcome: Outcome) -> list[str]:
    """The ledger adds up to what Redis has, drop by drop."""
    sums: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for move in outcome.ledger:
        for at, delta in enumerate((move.available, move.held, move.sold, move.burned)):
            sums[move.drop_id][at] += delta
    wrong = []
    for drop_id, (allotted, *counters) in outcome.redis.items():
        if sums[drop_id] != counters or allotted != sum(counters):
            wrong.append(f"{drop_id}: {sums[drop_id]} by the ledger, {counters} in Redis")
    return wrong


def adjustments_happen_once(history: History, outcome: Outcome) -> list[str]:
    """Each adjustment that was acknowledged is in the ledger once, none is there twice."""
    done = Counter(
        (move.drop_id, move.note, move.available)
        for move in outcome.ledger
        if move.kind in ("restock", "scrap")
    )
    wrong = [f"{what} happened {times} times" for what, times in done.items() if times > 1]
    asked = {(one.drop_id, one.reason, one.delta): one.done for one in history.adjusts}
    wrong += [f"{what} happened, nobody asked for it" for what in done.keys() - asked.keys()]
    for what, said in asked.items():
        if said is not None and said != (what in done):
            wrong.append(f"{what} was answered {said}, and that is not what happened")
    opened = Counter(move.drop_id for move in outcome.ledger if move.kind == "open")
    return wrong + [f"{drop_id} was opened twice" for drop_id, n in opened.items() if n > 1]


def nobody_is_over_the_limit(history: History, outcome: Outcome) -> list[str]:
    """Units that one buyer holds or owns of a drop, at every instant of the ledger."""
    units: Counter[tuple[str, str]] = Counter()
    wrong = []
    for move in outcome.ledger:
        order = outcome.orders.get(move.order_id or "")
        terms = history.drops.get(move.drop_id)
        if order is None or terms is None:
            continue
        who = (move.drop_id, order.buyer_id)
        units[who] += move.held + move.sold
        if move.held + move.sold > 0 and units[who] > terms.buyer_limit:
            wrong.append(f"{who} had {units[who]} units, the limit is {terms.buyer_limit}")
    return wrong


def nothing_is_promised_twice(history: History) -> list[str]:
    """By what buyers alone know: the units that are theirs at one instant never exceed the stock,
    which is what was allotted, and each restock from when it was asked for.

    A hold is its buyer's from the answer until the first of its deadline and a release; a sale for
    ever, from the moment that the payment was answered.
    """
    released = {one.rid: one.sent_ms for one in reversed(history.releases)}
    sold: dict[str, float] = {}
    for payment in history.payments:
        if payment.result in ("SOLD", "LATE_SOLD", "REPLAYED"):
            at_ms = payment.answered_ms
            sold[payment.rid] = min(at_ms, sold.get(payment.rid, at_ms))
    steps: defaultdict[str, list[tuple[float, int]]] = defaultdict(list)
    for claim in history.claims:
        for answer in claim.answers[:1]:
            from_ms = min(one.answered_ms for one in claim.answers)
            until_ms = min(answer.expires_ms, released.get(answer.rid, answer.expires_ms))
            for window in history.blind:  # holds may end early while Redis's clock is ahead
                if from_ms <= window.to_ms and window.from_ms <= until_ms:
                    until_ms = min(until_ms, window.from_ms)
            ends = [(from_ms, until_ms)] if from_ms < until_ms else []
            if answer.rid in sold:
                # From the sale on for ever; the hold before it only up to there.
                ends = [(a, min(b, sold[answer.rid])) for a, b in ends if a < sold[answer.rid]]
                steps[claim.drop_id].append((sold[answer.rid], claim.quantity))
            for a, b in ends:
                steps[claim.drop_id] += [(a, claim.quantity), (b, -claim.quantity)]
    for one in history.adjusts:
        if one.delta > 0 and one.done is not False:
            steps[one.drop_id].append((one.sent_ms, -one.delta))
    wrong = []
    for drop_id, found in steps.items():
        terms = history.drops.get(drop_id)
        stock = terms.allotted if terms else 0
        out = peak = 0
        for _, delta in sorted(found):
            out += delta
            peak = max(peak, out)
        if peak > stock:
            wrong.append(f"{drop_id}: {peak - stock} units were promised to two buyers at once")
    return wrong


def false_sold_out(history: History, outcome: Outcome) -> tuple[list[str], int]:
    """Who was told "sold out" though enough was there, without a break, from 200 ms before the
    request was sent until it was answered; and how many such answers were looked at."""
    lines = timelines(outcome.ledger)
    wrong, looked_at = [], 0
    for claim in history.claims:
        for one in claim.tries:
            if one.code != "sold_out":
                continue
            from_ms = one.sent_ms - FLAG_MS - CLOCK_MS
            if is_blind(history.blind, from_ms, one.answered_ms):
                continue
            looked_at += 1
            line = lines.get(claim.drop_id)
            least = line.least(from_ms, one.answered_ms + CLOCK_MS) if line else 0
            if least >= claim.quantity:
                wrong.append(
                    f"{claim.buyer_id} was told `sold out` of {claim.drop_id} between "
                    f"{one.sent_ms:.0f} and {one.answered_ms:.0f}, {least} were there all the time"
                )
    return wrong, looked_at


class Timeline:
    """What was available of one drop, over time."""

    def __init__(self, moves: Iterable[tuple[int, int]]) -> None:
        """`moves` are (at_ms, delta), in the order of the log."""
        self._at: list[float] = []
        self._after: list[int] = []
        available = 0
        for at_ms, delta in moves:
            available += delta
            self._at.append(at_ms)
            self._after.append(available)
        # A clock that stepped back makes earlier entries look later; what comes after says when
        # they were there at the latest.
        for at in range(len(self._at) - 2, -1, -1):
            self._at[at] = min(self._at[at], self._at[at + 1])

    def least(self, from_ms: float, to_ms: float) -> int:
        """The fewest units available at any time between."""
        first = bisect_right(self._at, from_ms) - 1
        if first < 0:
            return 0
        return min(self._after[first : max(first + 1, bisect_right(self._at, to_ms))])


def timelines(ledger: Iterable[Movement]) -> dict[str, Timeline]:
    moves: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for move in ledger:
        moves[move.drop_id].append((move.at_ms, move.available))
    return {drop_id: Timeline(found) for drop_id, found in moves.items()}
