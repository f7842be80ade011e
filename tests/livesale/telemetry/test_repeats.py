"""Lines that repeat are counted and summed up once a second, whatever writes them."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from livesale.settings import load_settings
from livesale.telemetry import logs, repeats
from livesale.telemetry.repeats import LINES, Every, Repeats


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(logs, "Repeats", lambda: Repeats(clock=clock))
    return clock


@pytest.fixture
def out(clock: Clock) -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.setup(load_settings(log__format="json"), "api-0", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_faults_at_line_rate_are_a_few_lines_and_a_sum(out: io.StringIO, clock: Clock) -> None:
    # given: Redis is away
    log = structlog.get_logger()
    for number in range(8_900):
        log.info("request", status=503, problem=("overloaded", "fenced")[number % 2], n=number)
    assert [line["n"] for line in lines(out)] == list(range(LINES))
    # when: the second is over
    clock.now_s += 1
    log.info("request", status=503, problem="overloaded", n=-1)
    # then: none is lost from the count
    total, again = lines(out)[LINES:]
    assert (total["event"], total["level"], total["of"]) == ("repeated", "info", "request")
    assert (total["times"], total["in_s"]) == (8_900 - LINES, 1.0)
    assert total["cases"] == {"503 overloaded": 4_445, "503 fenced": 4_445}
    assert again["n"] == -1


def test_events_are_told_apart_and_some_are_all_kept(out: io.StringIO) -> None:
    log = structlog.get_logger()
    for _ in range(LINES + 5):
        log.info("one")
        log.warning("one")
        log.info(Every("reserved"))
    found = [(line["level"], line["event"]) for line in lines(out)]
    assert found.count(("info", "one")) == LINES
    assert found.count(("warning", "one")) == LINES
    assert found.count(("info", "reserved")) == LINES + 5


def test_the_standard_library_is_counted_by_the_place_in_the_code(
    out: io.StringIO, clock: Clock
) -> None:
    for number in range(1_000):
        logging.getLogger("aiohttp.server").error(f"bad bytes {number}")
    assert len(lines(out)) == LINES
    clock.now_s += 2
    logging.getLogger("aiohttp.server").error("other")
    logging.getLogger("aiohttp.server").error("other")
    assert len(lines(out)) == LINES + 2  # of another place


def test_names_are_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "MAX_KINDS", 5)
    counted = Repeats(clock=clock)
    passed = sum(counted.passes("info", f"event {number}", "") for number in range(1_000))
    assert passed == 5 + LINES


async def test_the_sum_is_said_though_nothing_else_happens(
    out: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeats, "WINDOW_S", 0.05)
    log = structlog.get_logger()
    for _ in range(LINES + 3):
        log.error("unexpected error")
    async with asyncio.timeout(20):
        while len(lines(out)) == LINES:  # noqa: ASYNC110  a timer of the log's own
            await asyncio.sleep(0.01)
    assert (lines(out)[-1]["times"], lines(out)[-1]["level"]) == (3, "error")
