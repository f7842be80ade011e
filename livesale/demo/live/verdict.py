"""The show's own checks, and its figures. No I/O."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from livesale.demo.live.host import BUYER_LIMIT
from livesale.demo.live.scene import LiveScene
from livesale.draws import lots as draw
from livesale.printing.wording import counted
from loadtests import checks
from loadtests.checks import Finding, OrderRow
from stock.model import HoldState


class LiveFigures(Struct, frozen=True):
    viewers: int
    peak: int
    events_told: int
    told_p50_ms: float
    told_p99_ms: float
    likes: int
    stock: int
    sold: int
    orders: int
    answers: dict[str, int]
    prizes_claimed: int
    storm_ms: float  # until the last viewer was back with all that it had missed
    took_s: float


class Storm(Struct, frozen=True):
    """All connections lost at once. `back` came back in time."""

    viewers: int
    back: int
    took_ms: float


class Draw(Struct, frozen=True):
    """The record of the lucky bag, and what viewers had been shown."""

    record: bytes
    commitments: set[str]
    entries: set[str]
    claimed: int


def judge(
    scene: LiveScene,
    orders: Sequence[OrderRow],
    prizes: Sequence[OrderRow],
    paid: set[str],
    stock: int,
    storm: Storm,
    drawn: Draw,
) -> list[Finding]:
    """In the order people ask for them. `stock` is with what was restocked."""
    rows: Mapping[str, OrderRow] = {row.order_id: row for row in orders}
    watched = scene.watched
    back = sum(viewer.connections - 1 for viewer in watched)
    owned = sum(row.quantity for row in orders if row.state == HoldState.SOLD)
    return [
        Finding(
            "no viewer misses an event or gets one twice",
            [wrong for viewer in watched for wrong in viewer.wrong] + scene.oddities,
            f"{counted(sum(viewer.events for viewer in watched), 'event')} to "
            f"{counted(len(watched), 'viewer')}, {back:,} times back with their place",
        ),
        Finding(
            "all are back after the storm, with what they missed",
            [] if storm.back == storm.viewers else [f"{storm.viewers - storm.back} are not"],
            f"{counted(storm.back, 'viewer')} within {storm.took_ms / 1000:.1f} s",
        ),
        Finding(
            "the screens show what the books say",
            _shown_wrong(scene, orders, stock),
            f"{counted(scene.remaining, 'unit')} left of {stock:,}",
        ),
        Finding(
            "nothing is oversold",
            checks.nothing_is_oversold(orders, stock),
            f"{counted(owned, 'unit')} sold in SQL",
        ),
        Finding(
            "every 201 has exactly one order in SQL",
            checks.no_acknowledged_order_is_lost(scene.acks, rows)
            + checks.no_acknowledgement_is_given_twice(scene.acks),
            f"{len(scene.acks):,} × 201",
        ),
        Finding(
            "sold is what was paid for, and nothing else",
            checks.payments_and_sales_agree(paid, orders),
            f"{counted(len(paid), 'payment')} at the demo's bank",
        ),
        Finding(
            f"nobody has more than {BUYER_LIMIT} units",
            checks.no_buyer_exceeds_the_limit(orders, BUYER_LIMIT),
            f"{counted(len({row.buyer_id for row in orders}), 'buyer')} with orders",
        ),
        Finding(
            "anybody can check the draw, and the winners have their prizes",
            _drawn_wrong(drawn, prizes),
            f"{counted(drawn.claimed, 'prize')} claimed, of "
            f"{counted(len(drawn.entries), 'entry', 'entries')}",
        ),
    ]


def _shown_wrong(scene: LiveScene, orders: Sequence[OrderRow], stock: int) -> list[str]:
    taken = sum(row.quantity for row in orders if row.state in (HoldState.SOLD, HoldState.HELD))
    shown, there = scene.remaining, stock - taken
    return [] if shown == there else [f"{shown} left on the screens, {there} in SQL"]


def _drawn_wrong(drawn: Draw, prizes: Sequence[OrderRow]) -> list[str]:
    try:
        record = draw.read_record(drawn.record)
    except ValueError as error:
        return [str(error)]
    wrong = draw.find_faults(record)
    if drawn.commitments != {record.bag.commitment}:
        wrong.append("the commitment is not the one that viewers were shown")
    if missing := drawn.entries - set(record.entry_ids):
        wrong.append(f"{counted(len(missing), 'entry', 'entries')} of viewers are not in the list")
    sold = sum(row.state == HoldState.SOLD for row in prizes)
    if sold != len(record.bag.winners):
        wrong.append(f"{len(record.bag.winners)} have won, {sold} prizes are orders in SQL")
    if not drawn.claimed:
        wrong.append("nobody has claimed a prize")
    return wrong
