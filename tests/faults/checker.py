"""Holds what clients wrote down against what the system says in the end. No I/O.

Built on the checks of any crowd (loadtests/checks.py); what is checked here besides needs the
ledger, many drops, or times. Each check gives findings in a sentence; an empty list is good.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable

from loadtests import checks
from loadtests.checks import Ack, Finding, OrderRow, Unknown, shorten
from stock.ids import drop_of
from tests.faults import claims, money, shelves
from tests.faults.history import Claim, History, OrderState, Outcome


def judge(history: History, outcome: Outcome) -> list[Finding]:
    """Every check, in the order people ask for them."""
    acks = acks_of(history.claims)
    rows = {order.order_id: _row(order) for order in outcome.orders.values()}
    parts: list[tuple[str, list[str], str]] = [
        (
            "no acknowledgement is lost",
            checks.no_acknowledged_order_is_lost(list(acks.values()), rows),
            f"{len(acks):,} reservations that a buyer was told of",
        ),
        (
            "nothing is sold twice",
            shelves.nothing_is_promised_twice(history)
            + shelves.stock_never_runs_below_zero(outcome),
            f"{len(history.drops)} drops, at every instant",
        ),
        (
            "no sale without a request",
            no_order_without_a_request(history, rows),
            f"{len(rows):,} orders",
        ),
        (
            "stock comes back once",
            shelves.every_hold_ends_once(outcome),
            f"{len(outcome.ledger):,} movements",
        ),
        (
            "what the operator did is done once",
            shelves.adjustments_happen_once(history, outcome),
            f"{len(history.adjusts)} adjustments",
        ),
        (
            "SQL, the ledger and Redis agree",
            shelves.all_books_agree(outcome),
            f"{len(outcome.redis)} drops",
        ),
        ("nobody is told a false `sold out`", *_false_sold_out(history, outcome)),
        (
            "nobody has more than the limit",
            shelves.nobody_is_over_the_limit(history, outcome),
            f"{len({claim.buyer_id for claim in history.claims}):,} buyers, at every instant",
        ),
        (
            "one key, one answer",
            claims.one_key_has_one_answer(history.claims),
            f"{sum(len(claim.tries) > 1 for claim in history.claims):,} claims were repeated",
        ),
        (
            "what is sold is paid, what is paid is goods or a refund",
            money.goods_or_refund(history, outcome),
            f"{len(history.payments):,} payments, {len(outcome.refunds):,} refunds",
        ),
        (
            "nothing is sold before the opening",
            claims.nothing_is_early(history, outcome),
            f"{_count(history.claims, 'not_open'):,} came too early",
        ),
        (
            "every answer is one the API promises",
            claims.surprises(history.claims),
            f"{sum(len(claim.tries) for claim in history.claims):,} answers",
        ),
    ]
    return [Finding(title, shorten(wrong), seen) for title, wrong, seen in parts]


def acks_of(found: Iterable[Claim]) -> dict[str, Ack]:
    """What buyers were told is theirs, by rid: the first answer that each of them heard."""
    acks = {}
    for claim in found:
        for answer in claim.answers[:1]:
            acks[answer.rid] = Ack(
                answer.rid, claim.buyer_id, claim.quantity, answer.amount_fen, answer.expires_ms
            )
    return acks


def no_order_without_a_request(history: History, rows: dict[str, OrderRow]) -> list[str]:
    """Every order is a claim's of the same buyer, drop and quantity, whether it was told or not."""
    asked = {claim.rid: claim for claim in history.claims if claim.rid}
    wrong = []
    for row in rows.values():
        asker = asked.get(row.order_id)
        if asker and (asker.buyer_id, asker.quantity) != (row.buyer_id, row.quantity):
            wrong.append(f"{row.order_id}: {asker.buyer_id} asked for {asker.quantity}, got {row}")
    here_of: defaultdict[str, list[Claim]] = defaultdict(list)
    for claim in history.claims:
        here_of[claim.drop_id].append(claim)
    rows_of: defaultdict[str, dict[str, OrderRow]] = defaultdict(dict)
    for rid, row in rows.items():
        rows_of[drop_of(rid)][rid] = row
    for drop_id, mine in rows_of.items():
        here = here_of[drop_id]
        unknowns = [
            Unknown(claim.buyer_id, claim.quantity, claim.rid) for claim in here if claim.unclear
        ]
        wrong += checks.no_order_without_a_request(list(acks_of(here).values()), unknowns, mine)
    return wrong


def resolved(history: History, outcome: Outcome) -> tuple[int, int]:
    """Claims whose buyer never learned the outcome: how many became an order, how many did not."""
    unknown = [claim for claim in history.claims if claim.unclear]
    landed = sum(claim.rid in outcome.orders for claim in unknown if claim.rid)
    told = {answer.rid for claim in history.claims for answer in claim.answers}
    keyed = {claim.rid for claim in history.claims if claim.rid}
    spare: defaultdict[tuple[str, str, int], int] = defaultdict(int)
    for order in outcome.orders.values():
        if order.order_id not in told and order.order_id not in keyed:
            spare[order.drop_id, order.buyer_id, order.quantity] += 1
    keyless = Counter((c.drop_id, c.buyer_id, c.quantity) for c in unknown if not c.rid)
    landed += sum(min(count, spare[who]) for who, count in keyless.items())
    return landed, len(unknown) - landed


def _false_sold_out(history: History, outcome: Outcome) -> tuple[list[str], str]:
    wrong, looked_at = shelves.false_sold_out(history, outcome)
    return wrong, f"{looked_at:,} were told `sold out`"


def _count(found: Iterable[Claim], code: str) -> int:
    return sum(one.code == code for claim in found for one in claim.tries)


def _row(order: OrderState) -> OrderRow:
    return OrderRow(order.order_id, order.buyer_id, order.quantity, order.amount_fen, order.state)
