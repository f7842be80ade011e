"""Verdicts: ratios inside a round, medians or the worst; what was not measured is not met."""

import pytest

from benchmarks.names import (
    FASTAPI,
    HELLO_BESIDE,
    HELLO_POST,
    MEMORY,
    P99,
    RESERVE_LANE,
    SOLD_OUT_ONE,
)
from benchmarks.records import Records
from benchmarks.targets import Verdict, judge

CPU = "CPU of reserve / of hello, reading the same POST"
SOLD_OUT = "sold out, one buyer / hello, reading the same POST"


def verdict_of(records: Records, says: str) -> Verdict:
    return next(verdict for verdict in judge(records) if verdict.target.says == says)


def test_a_ratio_is_taken_inside_each_round() -> None:
    # Given a machine that was three times as fast in the second round
    records = Records()
    for hello, refused in ((100, 270), (300, 810), (100, 260)):
        records.add("sold_out", HELLO_BESIDE, hello, "requests/s", cpu_us=10, beside_ms=20)
        records.add("sold_out", SOLD_OUT_ONE, refused, "requests/s", cpu_us=4, beside_ms=20)

    # Then the ratios do not know of it
    found = verdict_of(records, SOLD_OUT)
    assert found.values == [2.7, 2.7, 2.6]
    assert found.median == 2.7 and found.met is True
    assert found.by_cpu == pytest.approx(10 / 4)


def test_a_cpu_time_is_told_at_the_speed_of_its_loop() -> None:
    # Given a core that had half its speed while hello was measured
    records = Records()
    records.add("http", HELLO_POST, 100, "requests/s", cpu_us=80, beside_ms=20)
    records.add("http", RESERVE_LANE, 100, "requests/s", cpu_us=24, beside_ms=10)

    # Then both are told as for one speed
    assert records.series[0].steady_us == [40]
    found = verdict_of(records, CPU)
    assert found.values == [0.6] and found.met is False and found.by_cpu is None


def test_the_loop_runs_where_nobody_ran_it() -> None:
    records = Records()
    records.add("http", RESERVE_LANE, 100, "requests/s", cpu_us=24)
    assert 0 < records.series[0].loop_ms[0] < 10_000


def test_the_median_decides() -> None:
    records = Records()
    for reserve in (500, 1_700, 1_499):
        records.add("http", FASTAPI, 100, "requests/s")
        records.add("http", RESERVE_LANE, reserve, "requests/s")
    found = verdict_of(records, "reserve / naive on FastAPI")
    assert (found.median, found.met, found.word) == (14.99, False, "not met")


def test_the_worst_decides_where_it_must() -> None:
    records = Records()
    for waited_ms in (4, 5, 15.1):
        records.add("latency", P99, waited_ms, "ms")
    found = verdict_of(records, f"worst {P99}")
    assert (found.median, found.deciding, found.met) == (5, 15.1, False)


@pytest.mark.parametrize(("size", "met"), [(450, True), (450.1, False)])
def test_some_figures_must_be_small(size: float, met: bool) -> None:
    records = Records()
    records.add("depth", MEMORY, size, "bytes")
    assert verdict_of(records, "Redis memory for a live reservation").met is met


def test_what_was_not_measured_has_no_verdict() -> None:
    records = Records()
    records.add("sold_out", SOLD_OUT_ONE, 100, "requests/s")
    found = verdict_of(records, SOLD_OUT)
    assert (found.values, found.met, found.word) == ([], None, "not measured")


def test_a_round_without_one_of_two_is_a_fault() -> None:
    records = Records()
    records.add("sold_out", HELLO_BESIDE, 100, "requests/s")
    records.add("sold_out", HELLO_BESIDE, 100, "requests/s")
    records.add("sold_out", SOLD_OUT_ONE, 270, "requests/s")
    with pytest.raises(ValueError, match="zip"):
        judge(records)
