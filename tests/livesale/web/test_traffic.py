"""The sampled access log: rare under load, whole on request, and never without a fault of ours."""

import pytest
from structlog.testing import capture_logs

from livesale.web import traffic
from livesale.web.traffic import SAMPLE_GAP_S, Traffic


class Hand:
    """A clock that stands until it is moved."""

    now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Hand:
    hand = Hand()
    monkeypatch.setattr(traffic, "time", hand)
    return hand


def lines(sample: float, clock: Hand, seconds: float, status: int = 200) -> int:
    """How many lines 1,000 requests in so many seconds make."""
    observe = Traffic(sample).observer("GET", "/v1/time")
    with capture_logs() as logged:
        for _ in range(1_000):
            observe(status, 0.001, "r", None, "")
            clock.now_s += seconds / 1_000
    return len(logged)


def test_a_crowd_makes_few_lines(clock: Hand) -> None:
    assert 1 <= lines(0.5, clock, seconds=1.0) <= 1.0 / SAMPLE_GAP_S


def test_a_share_of_few_requests_is_logged(clock: Hand) -> None:
    assert 400 < lines(0.5, clock, seconds=1_000.0) < 600


def test_all_are_logged_on_request(clock: Hand) -> None:
    assert lines(1.0, clock, seconds=0.001) == 1_000
    assert lines(0.0, clock, seconds=1_000.0) == 0


def test_each_fault_of_ours_is_logged(clock: Hand) -> None:
    assert lines(0.0, clock, seconds=0.001, status=503) == 1_000
