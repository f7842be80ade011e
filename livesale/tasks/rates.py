"""Rates by the generic cell rate algorithm (GCRA): one float per key, bounded memory."""

MAX_KEYS = 100_000


class RateLimit:
    """`burst` requests at once, `per_s` in the long run, for each key.

    A key's float is the time at which its bucket is full again. Above `max_keys` it removes full
    buckets, then the oldest ones.
    """

    def __init__(self, per_s: float, burst: int, max_keys: int = MAX_KEYS) -> None:
        self._interval_s = 1 / per_s
        self._slack_s = burst / per_s
        self._max_keys = max_keys
        self._full_at: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._full_at)

    def wait_s(self, key: str, now_s: float, cost: int = 1) -> float:
        """0 if the request may pass, which counts it; else the seconds to wait."""
        known = self._full_at
        full_at = known.get(key, now_s)
        if full_at < now_s:
            full_at = now_s
        full_at += self._interval_s * cost
        wait_s = full_at - now_s - self._slack_s
        if wait_s > 1e-9:  # tolerance, because a burst adds floats
            return wait_s
        known[key] = full_at
        if len(known) > self._max_keys:
            self._forget(now_s)
        return 0.0

    def would_wait_s(self, key: str, now_s: float) -> float:
        """The result of `wait_s`, without counting."""
        full_at = self._full_at.get(key)
        if full_at is None:
            return 0.0
        wait_s = full_at + self._interval_s - now_s - self._slack_s
        return wait_s if wait_s > 1e-9 else 0.0

    def delay_s(self, key: str, now_s: float, most_s: float) -> float:
        """Seconds until its turn: this limits the rate by waiting instead of refusing.

        Above `most_s` it does not count the request.
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
