"""Rates by the generic cell rate algorithm (GCRA): one float a key, bounded memory."""

MAX_KEYS = 100_000


class RateLimit:
    """`burst` requests at once, `per_s` in the long run, for each key.

    The generic cell rate algorithm: a key's float is the time at which its bucket is full again.
    When there are more than `max_keys`, full buckets are forgotten, then the oldest ones.
    """

    def __init__(self, per_s: float, burst: int, max_keys: int = MAX_KEYS) -> None:
        self._interval_s = 1 / per_s
        self._slack_s = burst / per_s
        self._max_keys = max_keys
        self._full_at: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._full_at)

    def wait_s(self, key: str, now_s: float, cost: int = 1) -> float:
        """0 when the request may pass, and is counted; else for how long it may not."""
        known = self._full_at
        full_at = known.get(key, now_s)
        if full_at < now_s:
            full_at = now_s
        full_at += self._interval_s * cost
        wait_s = full_at - now_s - self._slack_s
        if wait_s > 1e-9:  # a burst adds up floats
            return wait_s
        known[key] = full_at
        if len(known) > self._max_keys:
            self._forget(now_s)
        return 0.0

    def would_wait_s(self, key: str, now_s: float) -> float:
        """What `wait_s` would say, without counting."""
        full_at = self._full_at.get(key)
        if full_at is None:
            return 0.0
        wait_s = full_at + self._interval_s - now_s - self._slack_s
        return wait_s if wait_s > 1e-9 else 0.0

    def delay_s(self, key: str, now_s: float, most_s: float) -> float:
        """For how long this has to wait for its turn: the rate is kept by waiting, not refusing.

        Nobody waits longer than `most_s`; who would is not counted.
        """
        full_at = max(self._full_at.get(key, now_s), now_s) + self._interval_s
        delay_s = full_at - now_s - self._slack_s
        if delay_s > most_s:
            return most_s
        self._full_at[key] = full_at
        if len(self._full_at) > self._max_keys:
            self._forget(now_s)
        return delay_s if delay_s > 1e-9 else 0.0

    def _forget(self, now_s: float) -> None:
        self._full_at = {key: at for key, at in self._full_at.items() if at > now_s}
        too_many = len(self._full_at) - self._max_keys * 9 // 10
        if too_many > 0:
            for key in list(self._full_at)[:too_many]:
                del self._full_at[key]
