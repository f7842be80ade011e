"""Everything the demo checks, put together: what the crowd wrote down, what SQL says, the audit."""

from collections import Counter
from collections.abc import Mapping

from msgspec import Struct

from livesale.demo.options import BUYER_LIMIT, DemoOptions
from livesale.demo.scene import SLOT_S, Scene
from livesale.printing.wording import counted
from loadtests import checks
from loadtests.checks import Finding, OrderRow
from stock.model import HoldState


class Figures(Struct, frozen=True):
    """The demo in numbers."""

    buyers: int
    stock: int
    sold: int
    buyers_served: int
    first_to_last_ms: int  # of the units that ended sold, by Redis's clock of their reservation
    sold_out_after_ms: int | None  # after the opening, the first time nothing was left
    holds: int
    expired_holds: int
    sold_again: int  # units that were sold after a hold of them had expired
    requests: int
    requests_per_s: float
    requests_per_s_peak: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float
    replays: int
    unknown_outcomes: int
    answers: dict[str, int]
    bank: dict[str, int]
    orders: int
    lag_peak: int
    samples: int
    took_s: float


def figures_of(scene: Scene, rows: Mapping[str, OrderRow], opens_ms: int, took_s: float) -> Figures:
    """Counts what was seen. `took_s` is the whole demo, start to audit."""
    sold = [row for row in rows.values() if row.state == HoldState.SOLD]
    sold_ids = {row.order_id for row in sold}
    at_ms = [ack.reserved_ms for ack in scene.acks if ack.rid in sold_ids]
    expired = [row for row in rows.values() if row.state == HoldState.EXPIRED]
    units_sold = sum(row.quantity for row in sold)
    held_units = sum(row.quantity for row in rows.values())
    busy_s = sum(1 for rate in scene.rates if rate > 0) * SLOT_S
    return Figures(
        buyers=scene.options.buyers,
        stock=scene.options.stock,
        sold=units_sold,
        buyers_served=len({row.buyer_id for row in sold}),
        first_to_last_ms=max(at_ms) - min(at_ms) if at_ms else 0,
        sold_out_after_ms=_first_time_gone(scene, opens_ms),
        holds=len(rows),
        expired_holds=len(expired),
        sold_again=max(0, min(units_sold, held_units - scene.options.stock)),
        requests=scene.requests,
        requests_per_s=round(scene.requests / busy_s, 1) if busy_s else 0.0,
        requests_per_s_peak=round(scene.rate_peak, 1),
        p50_ms=scene.percentile_ms(50),
        p90_ms=scene.percentile_ms(90),
        p99_ms=scene.percentile_ms(99),
        max_ms=scene.percentile_ms(100),
        replays=scene.answers["200 replayed"],
        unknown_outcomes=len(scene.unknowns),
        answers=dict(scene.answers.most_common()),
        bank=dict(scene.bank.most_common()),
        orders=len(rows),
        lag_peak=scene.lag_peak,
        samples=scene.samples,
        took_s=round(took_s, 1),
    )


def _first_time_gone(scene: Scene, opens_ms: int) -> int | None:
    """When the holds first added up to the stock, in milliseconds after the opening."""
    units = 0
    for ack in sorted(scene.acks, key=lambda ack: ack.reserved_ms):
        units += ack.quantity
        if units >= scene.options.stock:
            return ack.reserved_ms - opens_ms
    return None


def judge(scene: Scene, rows: Mapping[str, OrderRow], paid: set[str]) -> list[Finding]:
    """The demo's own checks, in the order people ask for them."""
    options: DemoOptions = scene.options
    orders = list(rows.values())
    units = Counter[str]()
    for row in orders:
        units[row.state] += row.quantity
    return [
        Finding(
            f"sold + held ≤ {options.stock:,} in every sample",
            scene.bad_samples,
            f"{counted(scene.samples, 'sample')} of the books",
        ),
        Finding(
            "nothing is oversold",
            checks.nothing_is_oversold(orders, options.stock),
            f"{counted(units[HoldState.SOLD], 'unit')} sold in SQL",
        ),
        Finding(
            "nothing stays unsold while somebody asks",
            checks.nothing_stays_unsold(orders, options.stock, scene.empty_handed),
            f"{counted(scene.empty_handed, 'patient buyer')} left with nothing",
        ),
        Finding(
            "every 201 has exactly one order in SQL",
            checks.no_acknowledged_order_is_lost(scene.acks, rows),
            f"{len(scene.acks):,} × 201, as their buyers wrote them down",
        ),
        Finding(
            "no order without a 201",
            checks.no_order_without_a_request(scene.acks, scene.unknowns, rows),
            f"{counted(len(orders), 'order')}, {counted(len(scene.unknowns), 'outcome')} unknown",
        ),
        Finding(
            "asking twice never buys twice",
            checks.no_acknowledgement_is_given_twice(scene.acks) + scene.oddities,
            f"{counted(scene.answers['200 replayed'], 'replay')}, the same answer each time",
        ),
        Finding(
            f"nobody has more than {BUYER_LIMIT} units",
            checks.no_buyer_exceeds_the_limit(orders, BUYER_LIMIT),
            f"{counted(len({row.buyer_id for row in orders}), 'buyer')} with orders",
        ),
        Finding(
            "sold is what was paid for, and nothing else",
            checks.payments_and_sales_agree(paid, orders),
            f"{counted(len(paid), 'payment')} at the demo's bank",
        ),
        Finding(
            "every answer is one the API promises",
            _surprises(scene.answers),
            counted(sum(scene.answers.values()), "answer"),
        ),
    ]


def _surprises(answers: Counter[str]) -> list[str]:
    """Answers that no buyer of this crowd should get, whatever the load."""
    expected = {
        *("201 held", "200 replayed", "409 sold_out", "425 not_open", "429 slow_down"),
        *("503 overloaded", "503 outcome_unknown", "403 over_limit", "lost", "refused"),
    }
    return [f"{count} × {name}" for name, count in answers.items() if name not in expected]
