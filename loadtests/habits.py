"""Habits of mini-programs: how long to wait before the next request, how to tell the time. Pure."""

import random

FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 5.0
FAR_S = 10.0  # from the opening: the clock is asked rarely
POLL_FAR_S = 5.0
POLL_NEAR_S = 1.0


def backoff_s(attempt: int, retry_after_s: float, chance: random.Random) -> float:
    """Before trying for the `attempt`-th time again, from 1: at least what the service asks for,
    doubling, and never at the same moment as everybody else."""
    doubled = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(attempt - 1, 16))
    return retry_after_s + chance.uniform(doubled / 2, doubled)


def poll_s(left_s: float) -> float:
    """Until the clock is asked again, when the opening is `left_s` away: never beyond it."""
    return min(left_s, POLL_FAR_S if left_s > FAR_S else POLL_NEAR_S)


class ServerClock:
    """The service's clock as a client knows it: from the answer that travelled the shortest."""

    def __init__(self) -> None:
        self._offset_ms = 0.0
        self._trip_ms = float("inf")

    def learn(self, sent_ms: float, server_ms: float, got_ms: float) -> None:
        """An answer to `/v1/time`; half of its way was the way back."""
        trip_ms = got_ms - sent_ms
        if trip_ms <= self._trip_ms:
            self._trip_ms = trip_ms
            self._offset_ms = server_ms - (sent_ms + got_ms) / 2

    def until_s(self, server_ms: float, now_ms: float) -> float:
        """How long until it shows `server_ms`; below 0 when it has."""
        return (server_ms - now_ms - self._offset_ms) / 1000
