"""Habits of mini-programs: pauses between requests, and the service's clock. Pure."""

import random

FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 5.0
FAR_S = 10.0  # farther from the opening, poll rarely
POLL_FAR_S = 5.0
POLL_NEAR_S = 1.0


def backoff_s(attempt: int, retry_after_s: float, chance: random.Random) -> float:
    """The pause before retry `attempt`, from 1: `retry_after_s` plus a random, doubling part."""
    doubled = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(attempt - 1, 16))
    return retry_after_s + chance.uniform(doubled / 2, doubled)


def poll_s(left_s: float) -> float:
    """The pause until the next poll of the clock; never longer than `left_s`, the time left."""
    return min(left_s, POLL_FAR_S if left_s > FAR_S else POLL_NEAR_S)


class ServerClock:
    """The service's clock as a client estimates it: from the answer with the shortest trip."""

    def __init__(self) -> None:
        self._offset_ms = 0.0
        self._trip_ms = float("inf")

    def learn(self, sent_ms: float, server_ms: float, got_ms: float) -> None:
        """Take in an answer to `/v1/time`; assumes equal times there and back."""
        trip_ms = got_ms - sent_ms
        if trip_ms <= self._trip_ms:
            self._trip_ms = trip_ms
            self._offset_ms = server_ms - (sent_ms + got_ms) / 2

    def until_s(self, server_ms: float, now_ms: float) -> float:
        """Seconds until the service's clock shows `server_ms`; negative if it has passed."""
        return (server_ms - now_ms - self._offset_ms) / 1000
