"""Latency from the intended send time: at 70 % of saturation, and over the offered load.

At 70 % there are two kinds of turns. In one, a rewrite of the AOF is due: Redis's own default would
have begun one, and with livesale's settings the keeper waits until nothing sells. In the other one,
Redis rewrites while it sells.
"""

import tempfile
from pathlib import Path

from benchmarks import names
from benchmarks.machine import LOAD_CORE, pinned
from benchmarks.records import Records
from benchmarks.scale import Scale
from benchmarks.shop import MANY, Shop, open_shop
from loadtests.open_loop.processes import Plan, run
from loadtests.target import parse_target

FIGURE = "latency"
PART = 0.7
CONNECTIONS = 256
TIMEOUT_S = 3.0
DUE = (names.P50, names.P99, names.P999, names.P99_LATE)
DURING = (names.P50_REWRITE, names.P99_REWRITE, names.P999_REWRITE, names.P99_LATE_REWRITE)


def measure(scale: Scale, records: Records, last: bool) -> None:
    """One round in a fresh shop, with an audit; the last one also measures the curve."""
    with (
        tempfile.TemporaryDirectory(prefix="livesale-") as folder,
        open_shop(Path(folder), scale.buyers) as shop,
    ):
        shop.add_keys(scale.tail_keys)
        with pinned(LOAD_CORE):
            shop.lane.sell(scale.warm_up_s or 1)
            saturation = shop.lane.sell(scale.seconds).per_s
            for _ in range(scale.tail_turns):
                shop.check_rewrite_is_due(scale.due_bytes)
                _wait(shop, saturation, scale, records, DUE)
            for _ in range(scale.tail_turns):
                shop.rewrite()
                _wait(shop, saturation, scale, records, DURING)
                shop.wait_for_rewrite()
            for part in scale.sweep if last else ():
                records.curve.append(run(_plan(shop, part * saturation, scale.sweep_s)))
        records.audits.append(shop.audit())


def _wait(
    shop: Shop, saturation: float, scale: Scale, records: Records, cells: tuple[str, ...]
) -> None:
    """Independent buyers arrive at 70 % of the rate that the closed loop just reached."""
    result = run(_plan(shop, PART * saturation, scale.tail_s))
    records.at_seventy.append(result)
    values = (
        *(result.latency_ms[percent] for percent in ("50", "99", "99.9")),
        result.late_ms["99"],
    )
    for name, value in zip(cells, values, strict=True):
        records.add(FIGURE, name, _waited_ms(value), "ms")


def _waited_ms(latency_ms: float | None) -> float:
    """A percentile in ms; for an unanswered request, the time until it was given up."""
    return TIMEOUT_S * 1000 if latency_ms is None else latency_ms


def _plan(shop: Shop, rate: float, seconds: float) -> Plan:
    return Plan(
        parse_target(shop.lane.url),
        rate,
        seconds,
        poisson=True,
        connections=CONNECTIONS,
        timeout_s=TIMEOUT_S,
        drop_id=shop.lane.operator.open_drop(MANY),
        tokens=shop.tokens.all,
    )
