"""The figures of the demo, and its checks besides those of every load test. No I/O."""

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from livesale.demo.scene import SLOT_S, Room, Scene
from livesale.draws import lots
from livesale.printing.wording import counted
from loadtests import checks
from loadtests.checks import Finding, OrderRow
from loadtests.service import Order, Said
from loadtests.verdict import judge
from stock.model import HoldState


class Figures(Struct, frozen=True):
    """The figures of the demo."""

    people: int
    stock: int
    sold: int
    buyers_served: int
    first_to_last_ms: int  # between the reservations of sold units, by Redis's clock
    sold_out_after_ms: int | None  # from the opening until nothing was left for the first time
    holds: int
    expired_holds: int
    sold_again: int  # units that were sold after an earlier hold expired
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


class LiveFigures(Figures, frozen=True, kw_only=True):
    """The figures of a show."""

    viewers: int
    peak: int
    events_told: int
    told_p50_ms: float
    told_p99_ms: float
    likes: int
    prizes_claimed: int
    storm_ms: float  # until the last viewer had resumed with all missed events


class Storm(Struct, frozen=True):
    """All connections lost at once. `back` is how many viewers resumed in time."""

    viewers: int
    back: int
    took_ms: float


class Draw(Struct, frozen=True):
    """The record of the lucky bag, and what viewers saw of it."""

    record: bytes
    commitments: set[str]
    entries: set[str]
    claimed: int


def orders_of(said: Said) -> list[Order]:
    return [order for stand in said.stands.values() for order in stand.orders.values()]


def figures_of(scene: Scene, said: Said, took_s: float) -> Figures:
    """Compute the figures. `took_s` is the whole demo, start to audit."""
    rows, history = orders_of(said), scene.history
    sold = [row for row in rows if row.state == HoldState.SOLD]
    at_ms = [row.created_ms for row in sold]
    units_sold = sum(row.quantity for row in sold)
    held_units = sum(row.quantity for row in rows)
    busy_s = sum(1 for rate in scene.rates if rate > 0) * SLOT_S
    return Figures(
        people=scene.options.people,
        stock=scene.stock,
        sold=units_sold,
        buyers_served=len({row.buyer_id for row in sold}),
        first_to_last_ms=max(at_ms) - min(at_ms) if at_ms else 0,
        sold_out_after_ms=_first_time_gone(scene, rows),
        holds=len(rows),
        expired_holds=sum(row.state == HoldState.EXPIRED for row in rows),
        sold_again=max(0, min(units_sold, held_units - scene.stock)),
        requests=scene.requests,
        requests_per_s=round(scene.requests / busy_s, 1) if busy_s else 0.0,
        requests_per_s_peak=round(scene.rate_peak, 1),
        p50_ms=scene.percentile_ms(50),
        p90_ms=scene.percentile_ms(90),
        p99_ms=scene.percentile_ms(99),
        max_ms=scene.percentile_ms(100),
        replays=scene.answers["200 replayed"],
        unknown_outcomes=sum(claim.unclear for claim in history.claims),
        answers=dict(scene.answers.most_common()),
        bank=dict(Counter(payment.result for payment in history.payments).most_common()),
        orders=len(rows),
        lag_peak=scene.lag_peak,
        samples=scene.samples,
        took_s=round(took_s, 1),
    )


def _first_time_gone(scene: Scene, rows: Sequence[Order]) -> int | None:
    """Ms from the opening until reserved units first add up to the stock; None if never."""
    opens_ms = min((drop.opens_ms for drop in scene.history.drops.values()), default=0)
    units = 0
    for row in sorted(rows, key=lambda row: row.created_ms):
        units += row.quantity
        if units >= scene.stock:
            return row.created_ms - opens_ms
    return None


def findings_of(scene: Scene, said: Said) -> list[Finding]:
    """The demo's checks, the most important first."""
    return [
        Finding(
            f"sold + held ≤ {scene.stock:,} in every sample",
            scene.bad_samples,
            f"{counted(scene.samples, 'sample')} of the books",
        ),
        Finding(
            "nothing stays unsold while somebody asks",
            checks.nothing_stays_unsold(orders_of(said), scene.stock, scene.empty_handed),
            f"{counted(scene.empty_handed, 'patient buyer')} left with nothing",
        ),
        *judge(scene.history, said, None),
    ]


def room_findings(scene: Scene, room: Room, storm: Storm) -> list[Finding]:
    """The checks of the show, besides those of event numbers."""
    there = scene.stand.available
    shown = (
        [] if room.remaining == there else [f"{room.remaining} on the screens, {there} in Redis"]
    )
    return [
        Finding(
            "all viewers resume after the storm",
            [] if storm.back == storm.viewers else [f"{storm.viewers - storm.back} are not"],
            f"{counted(storm.back, 'viewer')} within {storm.took_ms / 1000:.1f} s",
        ),
        Finding(
            "the screens agree with the books",
            shown,
            f"{counted(room.remaining, 'unit')} left of {scene.stock:,}",
        ),
    ]


def draw_finding(drawn: Draw, prizes: Sequence[OrderRow]) -> Finding:
    return Finding(
        "anybody can check the draw, and the winners have their prizes",
        _drawn_wrong(drawn, prizes),
        f"{counted(drawn.claimed, 'prize')} claimed, of "
        f"{counted(len(drawn.entries), 'entry', 'entries')}",
    )


def _drawn_wrong(drawn: Draw, prizes: Sequence[OrderRow]) -> list[str]:
    try:
        record = lots.read_record(drawn.record)
    except ValueError as error:
        return [str(error)]
    wrong = lots.find_faults(record)
    if drawn.commitments != {record.bag.commitment}:
        wrong.append("viewers saw another commitment")
    if missing := drawn.entries - set(record.entry_ids):
        wrong.append(f"{counted(len(missing), 'entry', 'entries')} of viewers are not in the list")
    sold = sum(row.state == HoldState.SOLD for row in prizes)
    if sold != len(record.bag.winners):
        wrong.append(f"{len(record.bag.winners)} have won, {sold} prizes are orders in SQL")
    if not drawn.claimed:
        wrong.append("nobody has claimed a prize")
    return wrong
