"""The end of the demo on paper, for sales that went well and for those that nobody came to."""

from typing import Any

import pytest
from msgspec.structs import replace

from livesale.demo.summary import closing, summary, table_of_checks
from livesale.demo.verdict import Figures
from livesale.operations.audit import Check
from livesale.printing.output import plain
from loadtests.checks import Finding

FIGURES = Figures(
    people=2,
    stock=5,
    sold=0,
    buyers_served=0,
    first_to_last_ms=0,
    sold_out_after_ms=None,
    holds=0,
    expired_holds=0,
    sold_again=0,
    requests=0,
    requests_per_s=0.0,
    requests_per_s_peak=0.0,
    p50_ms=0.0,
    p90_ms=0.0,
    p99_ms=0.0,
    max_ms=0.0,
    replays=0,
    unknown_outcomes=0,
    answers={},
    bank={},
    orders=0,
    lag_peak=0,
    samples=1,
    took_s=12.3,
)


def figures(**changes: Any) -> Figures:
    return replace(FIGURES, **changes)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "sold       0 of 5 units to 0 of 2 buyers; 5 units left, nobody asked for them"),
        (
            {"sold": 4, "buyers_served": 2, "first_to_last_ms": 1_234},
            "sold       4 of 5 units to 2 of 2 buyers, first to last in 1,234 ms; "
            "1 unit left, nobody asked for it",
        ),
        (
            {"sold": 5, "buyers_served": 2, "first_to_last_ms": 90, "sold_out_after_ms": 95},
            "sold       5 of 5 units to 2 of 2 buyers, first to last in 90 ms, "
            "nothing left 95 ms after the opening",
        ),
    ],
)
def test_what_was_sold_and_what_was_left(changes: dict[str, int], line: str) -> None:
    assert line in plain(summary(figures(**changes))).splitlines()


def test_latency_of_no_answer_is_not_zero() -> None:
    shown = plain(summary(FIGURES))
    assert [line.split() for line in shown.splitlines() if "latency" in line] == [["latency", "–"]]


def test_one_is_not_a_plural() -> None:
    shown = plain(summary(figures(stock=1, people=1, lag_peak=1, unknown_outcomes=1)))
    for words in ("1 units", "1 buyers", "1 log entries", "1 outcomes"):
        assert words not in shown


def test_findings_and_audit_are_one_table() -> None:
    shown = plain(
        table_of_checks(
            [Finding("nothing is oversold", [], "5 units"), Finding("no order is lost", ["r1"])],
            [Check("I1", "books balance", True, "1 drop"), Check("I2", "adds up", False, "d1")],
        )
    )
    rows = [line.split() for line in shown.splitlines()]
    assert ["nothing", "is", "oversold", "✓", "5", "units"] in rows
    assert ["no", "order", "is", "lost", "BROKEN", "r1"] in rows
    assert ["I1", "books", "balance", "✓", "1", "drop"] in rows
    assert ["I2", "adds", "up", "BROKEN", "d1"] in rows
    assert all(line == line.rstrip() for line in shown.splitlines())


def test_the_last_line() -> None:
    assert closing(True, 12.3).plain.startswith("● The books hold. Every promise")
    assert closing(False, 12.3).plain == "● The books do NOT hold."
