"""Compares what the people of a load test wrote down with what the service says. No I/O."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Set

from loadtests import checks
from loadtests.checks import Ack, Finding, OrderRow, Unknown, shorten
from loadtests.figures import figures_of, kind_of
from loadtests.history import Claim, History
from loadtests.order import position_of
from loadtests.service import Books, Order, Said

_TAKEN = {"sold", "late_sold", "replayed"}
_UNSURE = {"lost", "outcome_unknown"}
# The answers that are allowed under any load. Anything else is a finding.
PROMISED = {
    *("", "held", "replayed", "lost", "sold_out", "over_limit", "barred", "not_open", "closed"),
    *("paused", "slow_down", "already_sold", "hold_ended", "unknown_order", "drop_closed"),
    *("overloaded", "outcome_unknown", "engine_refused", "fenced", "books_broken"),
    *("store_unavailable", "payment_unavailable", "login_unavailable", "login_too_often"),
    *("refused", "too_many", "too_few"),
    *("gone", "not_your_turn", "line_full", "ticket_used", "ticket_invalid"),
}
FAULT = "internal_error"  # a fault of the service: allowed only within a budget


def judge(history: History, said: Said, budget: float | None) -> list[Finding]:
    """Make every check. `budget` is the share of answers that may be 5xx or missing; without one,
    any number of refusals is allowed, but no `internal_error`."""
    claims = history.claims
    acks = [ack for claim in claims for ack in _acks(claim)]
    orders = {rid: order for stand in said.stands.values() for rid, order in stand.orders.items()}
    figures = figures_of(history)
    count = f"{len(orders):,} orders"
    parts: list[tuple[str, list[str], str]] = [
        ("the crowd was served", _served(history), f"{len(acks):,} reservations acknowledged"),
        (
            "no acknowledged order is lost",
            _lost(acks, orders),
            f"{len(acks):,} reservations that buyers wrote down",
        ),
        (
            "no order without a request",
            _phantoms(claims, orders),
            f"{count}, {sum(claim.unclear for claim in claims):,} outcomes unknown",
        ),
        ("nothing is oversold", _oversold(history, said), f"{count}, and the books while it sold"),
        ("one key, one reservation", _doubled(claims), f"{_repeated(claims):,} claims repeated"),
        ("no buyer is above the limit", _over_limit(history, orders), count),
        (
            "what is sold is paid, what is paid is sold",
            _unpaid(history, orders),
            f"{len(history.payments):,} payments",
        ),
        ("nothing is sold before the opening", _early(history, orders), count),
        (
            "SQL has everything, and the books agree",
            _unsettled(history, said),
            f"books and orders of {len(said.stands):,} drops",
        ),
        (
            "the books of all other drops agree",
            said.others,
            f"{said.others_seen:,} other drops",
        ),
    ]
    if budget is not None:
        parts.append(
            (
                f"5xx and missing answers stay within {budget:.2%}",
                [f"they were {figures.faults_share:.2%}"] if figures.faults_share > budget else [],
                f"{figures.faults:,} of {figures.asked:,} answers",
            )
        )
    promised = PROMISED | {FAULT} if budget is not None else PROMISED
    parts.append(
        (
            "every answer is one the API promises",
            _surprises(history.tally, promised),
            f"{figures.asked:,} answers",
        )
    )
    if any(drop.room_id for drop in history.drops.values()):
        parts.append(_rooms(history))
    if any(drop.in_line for drop in history.drops.values()):
        seen = f"{len({(one.drop_id, one.index) for one in history.placed}):,} places"
        parts.append(
            ("one place a person, in the published order", _out_of_line(history, said), seen)
        )
    return [Finding(title, shorten(wrong), seen) for title, wrong, seen in parts]


def _out_of_line(history: History, said: Said) -> list[str]:
    """What people were told of their places, against what the service publishes of the order."""
    wrong = []
    owner: dict[tuple[str, int], str] = {}
    for one in history.placed:
        line, place = said.lines.get(one.drop_id), (one.drop_id, one.index)
        # A buyer with a token from a file may not know the id.
        if owner.setdefault(place, one.buyer_id) != one.buyer_id:
            wrong.append(f"{one.buyer_id} and {owner[place]} have the place {one.index}")
        if one.position < 0:
            continue
        if line is None or line.n0 is None:
            wrong.append(f"{one.drop_id} shows a position, and no order to check it by")
            continue
        right = position_of(one.index, line.seed, line.n0, line.closing_id)
        if right != one.position:
            wrong.append(f"the place {one.index} was shown at {one.position}, it is at {right}")
    for drop_id, line in said.lines.items():
        if line.seed and hashlib.sha256(bytes.fromhex(line.seed)).hexdigest() != line.commitment:
            wrong.append(f"{drop_id}: the seed is not the one that was promised")
    return wrong


def _rooms(history: History) -> tuple[str, list[str], str]:
    """Each viewer's numbers, over all its connections."""
    watched = history.watched
    events = sum(viewer.events for viewer in watched)
    back = sum(viewer.connections - 1 for viewer in watched if viewer.connections)
    wrong = [found for viewer in watched for found in viewer.wrong]
    if not events:
        wrong.append("no viewer got an event")
    seen = f"{events:,} events to {len(watched):,} viewers, {back:,} reconnects"
    return "no viewer misses an event or gets one twice", wrong, seen


def _acks(claim: Claim) -> list[Ack]:
    return [
        Ack(held.rid, claim.buyer_id, held.quantity, held.amount_fen, 0)
        for held in claim.answers[:1]
    ]


def _served(history: History) -> list[str]:
    """A test in which nobody could buy tests nothing."""
    if any(claim.answers for claim in history.claims):
        return []
    codes = Counter(claim.codes[-1] for claim in history.claims if claim.codes)
    heard = ", ".join(f"{count} × {code}" for code, count in codes.most_common(3))
    return [f"no reservation in {len(history.claims):,} claims: {heard or 'no answers'}"]


def _lost(acks: Iterable[Ack], orders: Mapping[str, Order]) -> list[str]:
    known = []
    for ack in acks:
        order = orders.get(ack.rid)
        # A buyer with a token from a file may not know the id.
        buyer_id = ack.buyer_id or (order.buyer_id if order else "")
        known.append(Ack(ack.rid, buyer_id, ack.quantity, ack.amount_fen, 0))
    return checks.no_acknowledged_order_is_lost(known, orders)


def _phantoms(claims: Iterable[Claim], orders: Mapping[str, Order]) -> list[str]:
    """Orders of a drop without a claim on it."""
    claims_on: defaultdict[str, list[Claim]] = defaultdict(list)
    for claim in claims:
        claims_on[claim.drop_id].append(claim)
    orders_of: defaultdict[str, dict[str, OrderRow]] = defaultdict(dict)
    for rid, order in orders.items():
        orders_of[order.drop_id][rid] = order
    wrong = []
    for drop_id, rows in orders_of.items():
        acks = [ack for claim in claims_on[drop_id] for ack in _acks(claim)]
        unclear = [claim for claim in claims_on[drop_id] if claim.unclear]
        told = {ack.rid for ack in acks}
        nameless = Counter(claim.quantity for claim in unclear if not claim.buyer_id)
        named = {claim.buyer_id for claim in unclear}
        for rid, row in list(rows.items()):
            if rid not in told and row.buyer_id not in named and nameless[row.quantity] > 0:
                nameless[row.quantity] -= 1
                del rows[rid]
        unknowns = [Unknown(claim.buyer_id, claim.quantity) for claim in unclear]
        wrong += checks.no_order_without_a_request(acks, unknowns, rows)
    return wrong


def _oversold(history: History, said: Said) -> list[str]:
    wrong = [
        f"{drop_id}: {found}"
        for drop_id, stand in said.stands.items()
        for found in checks.nothing_is_oversold(stand.orders.values(), _most(history, drop_id))
    ]
    for sample in history.samples:
        most = _most(history, sample.drop_id)
        if sample.held + sample.sold > most or min(sample.available, sample.burned) < 0:
            wrong.append(f"{sample.drop_id}: of {most} units the books had {sample}")
    return wrong


def _most(history: History, drop_id: str) -> int:
    """All units that a drop ever had: a restock with an unknown outcome counts as done."""
    added = sum(
        restock.delta
        for restock in history.restocks
        if restock.drop_id == drop_id and restock.done is not False
    )
    return history.drops[drop_id].allotted + added


def _doubled(claims: Iterable[Claim]) -> list[str]:
    wrong = []
    owner: dict[str, int] = {}
    for number, claim in enumerate(claims):
        told = {(held.rid, held.quantity, held.amount_fen) for held in claim.answers}
        if len(told) > 1:
            wrong.append(f"one key of {claim.buyer_id} gave {len(told)} answers: {sorted(told)}")
        created = [held.rid for held in claim.answers if held.created]
        if len(created) > 1:
            wrong.append(f"{created[0]} was created {len(created)} times")
        wrong += [
            f"two claims got {rid}"
            for rid in {held.rid for held in claim.answers}
            if owner.setdefault(rid, number) != number
        ]
    return wrong


def _repeated(claims: Iterable[Claim]) -> int:
    return sum(len(claim.codes) > 1 for claim in claims)


def _over_limit(history: History, orders: Mapping[str, Order]) -> list[str]:
    of_drop: defaultdict[str, list[OrderRow]] = defaultdict(list)
    for order in orders.values():
        of_drop[order.drop_id].append(order)
    return [
        f"{drop_id}: {found}"
        for drop_id, rows in of_drop.items()
        for found in checks.no_buyer_exceeds_the_limit(rows, history.drops[drop_id].buyer_limit)
    ]


def _unpaid(history: History, orders: Mapping[str, Order]) -> list[str]:
    paid = {payment.rid for payment in history.payments if payment.result in _TAKEN}
    unsure = {payment.rid for payment in history.payments if payment.result in _UNSURE}
    decided = {rid: order for rid, order in orders.items() if rid not in unsure}
    return checks.payments_and_sales_agree(paid - unsure, decided.values())


def _early(history: History, orders: Mapping[str, Order]) -> list[str]:
    wrong = []
    for order in orders.values():
        early_ms = history.drops[order.drop_id].opens_ms - order.created_ms
        if early_ms > 0:
            wrong.append(f"{order.order_id} was made {early_ms} ms before the opening")
    return wrong


def _unsettled(history: History, said: Said) -> list[str]:
    wrong = [f"{drop_id} was not checked" for drop_id in history.drops.keys() - said.stands.keys()]
    for drop_id, stand in said.stands.items():
        books = stand.books
        if stand.trouble or books is None:
            wrong.append(f"{drop_id}: {stand.trouble}")
            continue
        if not books.ok:
            wrong.append(f"{drop_id}: SQL and the log do not add up to Redis: {books}")
        if books.lag_entries:
            wrong.append(f"{drop_id}: SQL is {books.lag_entries:,} log entries behind: no writer?")
        elif not stand.settled:
            wrong.append(f"{drop_id}: the books did not settle")
        else:
            wrong += _orders_against_books(drop_id, stand.orders, books.redis)
            if books.redis.allotted not in _allotted(history, drop_id):
                wrong.append(f"{drop_id}: the test did not allot {books.redis.allotted} units")
    return wrong


def _orders_against_books(drop_id: str, orders: Mapping[str, Order], books: Books) -> list[str]:
    """The units in orders match the counters."""
    units: Counter[str] = Counter()
    for order in orders.values():
        units[order.state] += order.quantity
    return [
        f"{drop_id}: {units[state]} units {state} in orders, {counted} in the books"
        for state, counted in (("held", books.held), ("sold", books.sold))
        if units[state] != counted
    ]


def _allotted(history: History, drop_id: str) -> set[int]:
    """The possible totals of a drop: a restock with an unknown outcome counts both ways."""
    sizes = {history.drops[drop_id].allotted}
    for restock in history.restocks:
        if restock.drop_id == drop_id and restock.done is not False:
            added = {size + restock.delta for size in sizes}
            sizes = added if restock.done else sizes | added
    return sizes


def _surprises(tally: Counter[str], promised: Set[str]) -> list[str]:
    """Answers that a well-behaved client should never get."""
    found: Counter[str] = Counter()
    for line, count in tally.items():
        if kind_of(line).code not in promised:
            found[line.replace("|", " ").strip()] += count
    return [f"{count} × {line}" for line, count in found.most_common()]
