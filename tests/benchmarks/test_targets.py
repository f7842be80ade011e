"""Verdicts: ratios inside a round, medians over rounds, and what was not measured is not met."""

import pytest

from benchmarks.names import HELLO, MEMORY, NAIVE, RESERVE_LANE, RESERVE_PLAIN
from benchmarks.records import Records
from benchmarks.targets import Verdict, judge


def verdict_of(records: Records, says: str) -> Verdict:
    return next(verdict for verdict in judge(records) if verdict.target.says == says)


def test_a_ratio_is_taken_inside_each_round() -> None:
    # Given a machine that was three times as fast in the second round
    records = Records()
    for hello, reserve in ((100, 70), (300, 210), (100, 60)):
        records.add("http", HELLO, hello, "requests/s", cpu_us=10)
        records.add("http", RESERVE_PLAIN, reserve, "requests/s", cpu_us=16)

    # Then the ratios do not know of it
    found = verdict_of(records, "reserve / hello, through plain aiohttp")
    assert found.values == [0.7, 0.7, 0.6]
    assert found.median == 0.7 and found.met is True
    assert found.by_cpu == pytest.approx(10 / 16)


def test_the_median_decides() -> None:
    records = Records()
    for reserve in (500, 700, 599):
        records.add("http", NAIVE, 100, "requests/s")
        records.add("http", RESERVE_LANE, reserve, "requests/s")
    found = verdict_of(records, "reserve / naive")
    assert (found.median, found.met, found.word) == (5.99, False, "not met")


@pytest.mark.parametrize(("size", "met"), [(450, True), (450.1, False)])
def test_some_figures_must_be_small(size: float, met: bool) -> None:
    records = Records()
    records.add("depth", MEMORY, size, "bytes")
    assert verdict_of(records, "Redis memory for a live reservation").met is met


def test_what_was_not_measured_has_no_verdict() -> None:
    records = Records()
    records.add("http", RESERVE_PLAIN, 100, "requests/s")
    found = verdict_of(records, "reserve / hello, through plain aiohttp")
    assert (found.values, found.met, found.word) == ([], None, "not measured")


def test_a_round_without_one_of_two_is_a_fault() -> None:
    records = Records()
    records.add("http", HELLO, 100, "requests/s")
    records.add("http", HELLO, 100, "requests/s")
    records.add("http", RESERVE_PLAIN, 70, "requests/s")
    with pytest.raises(ValueError, match="zip"):
        judge(records)
