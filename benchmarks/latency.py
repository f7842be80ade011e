"""Latency from the intended send time: at 70 % of saturation, and over the offered load."""

from benchmarks import names
from benchmarks.records import Records
from benchmarks.scale import Scale
from benchmarks.shop import MANY, Shop
from loadtests.open_loop.processes import Plan, run
from loadtests.target import parse_target

FIGURE = "latency"
PART = 0.7
CONNECTIONS = 256
TIMEOUT_S = 3.0


def wait_at_seventy(shop: Shop, saturation: float, scale: Scale, records: Records) -> None:
    """Independent buyers arrive at 70 % of the rate that the closed loop just reached."""
    result = run(_plan(shop, PART * saturation, scale.open_loop_s))
    records.at_seventy.append(result)
    for name, percent in (
        (names.P50, "50"),
        (names.P99, "99"),
        (names.P999, "99.9"),
    ):
        records.add(FIGURE, name, _waited_ms(result.latency_ms[percent]), "ms")
    records.add(FIGURE, names.P99_LATE, _waited_ms(result.late_ms["99"]), "ms")


def _waited_ms(latency_ms: float | None) -> float:
    """A percentile in ms; for an unanswered request, the time until it was given up."""
    return TIMEOUT_S * 1000 if latency_ms is None else latency_ms


def trace_curve(shop: Shop, saturation: float, scale: Scale, records: Records) -> None:
    """A run at each fraction of the saturation, each on a new drop."""
    for part in scale.sweep:
        records.curve.append(run(_plan(shop, part * saturation, scale.sweep_s)))


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
