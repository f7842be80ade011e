"""Rates by the generic cell rate algorithm (GCRA): one float per key, bounded memory."""

MAX_KEYS = 100_000


class RateLimit:
    """`burst` requests at once, `per_s` in the long run, for each key.

    A key's float is the time at which its bucket is full again. There are two generations of keys,
    each of at most half of `max_keys`: when the young one is full, it becomes the old one, and who
    made no request since the last change is forgotten. So no request pays for going through all.
    """

    def __init__(self, per_s: float, burst: int, max_keys: int = MAX_KEYS) -> None:
        self._interval_s = 1 / per_s
        self._slack_s = burst / per_s
        self._most_young = max_keys // 2
        self._young: dict[str, float] = {}
        self._old: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._young.keys() | self._old.keys())

    def wait_s(self, key: str, now_s: float, cost: int = 1) -> float:
        """0 if the request may pass, which counts it; else the seconds to wait."""
        young = self._young
        known = young.get(key)
        if known is None:
            known = self._old.get(key, now_s)
        full_at = (known if known > now_s else now_s) + self._interval_s * cost
        wait_s = full_at - now_s - self._slack_s
        if wait_s > 1e-9:  # tolerance, because a burst adds floats
            self._note(key, known)  # or its refusals would let it be forgotten
            return wait_s
        young[key] = full_at
        if len(young) >= self._most_young:
            self._young, self._old = {}, young
        return 0.0

    def would_wait_s(self, key: str, now_s: float) -> float:
        """The result of `wait_s`, without counting."""
        full_at = self._young.get(key) or self._old.get(key)
        if full_at is None:
            return 0.0
        wait_s = full_at + self._interval_s - now_s - self._slack_s
        return wait_s if wait_s > 1e-9 else 0.0

    def delay_s(self, key: str, now_s: float, most_s: float) -> float:
        """Seconds until its turn: this limits the rate by waiting instead of refusing.

        Above `most_s` it does not count the request.
        """
        known = self._young.get(key) or self._old.get(key, now_s)
        full_at = max(known, now_s) + self._interval_s
        delay_s = full_at - now_s - self._slack_s
        if delay_s > most_s:
            return most_s
        self._note(key, full_at)
        return delay_s if delay_s > 1e-9 else 0.0

    def _note(self, key: str, full_at: float) -> None:
        young = self._young
        young[key] = full_at
        if len(young) >= self._most_young:
            self._young, self._old = {}, young
