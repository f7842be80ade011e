"""Waiting between tries, and telling the service's time."""

import random

from loadtests.habits import LONGEST_WAIT_S, ServerClock, backoff_s, poll_s


def test_waits_double_up_to_a_bound_and_are_never_all_the_same() -> None:
    chance = random.Random(7)
    for attempt, longest in [(1, 0.1), (2, 0.2), (3, 0.4), (20, LONGEST_WAIT_S)]:
        waits = [backoff_s(attempt, 0.0, chance) for _ in range(200)]
        assert longest / 2 <= min(waits) <= max(waits) <= longest
        assert len(set(waits)) > 150


def test_what_the_service_asks_for_is_the_least() -> None:
    chance = random.Random(7)
    assert all(backoff_s(1, 3.0, chance) >= 3.0 for _ in range(100))


def test_the_clock_is_asked_more_often_near_the_opening_and_never_slept_past() -> None:
    assert poll_s(600.0) == 5.0
    assert poll_s(9.0) == 1.0
    assert poll_s(0.2) == 0.2


def test_the_clock_believes_the_answer_that_travelled_the_shortest() -> None:
    clock = ServerClock()
    clock.learn(sent_ms=1_000, server_ms=61_000, got_ms=3_000)  # somewhere within two seconds
    assert clock.until_s(62_000, now_ms=2_000) == 1.0
    clock.learn(sent_ms=4_000, server_ms=64_510, got_ms=4_020)  # within 20 ms: 60.5 s ahead
    assert clock.until_s(65_500, now_ms=4_000) == 1.0
    clock.learn(sent_ms=5_000, server_ms=99_000, got_ms=6_000)  # a slow one changes nothing
    assert clock.until_s(65_500, now_ms=5_500) == -0.5
