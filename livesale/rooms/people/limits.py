"""The limit of likes for one buyer."""

from math import ceil

from livesale.rooms.people.presence import MAX_TAPS
from livesale.settings import Settings
from livesale.tasks.rates import RateLimit
from livesale.web.limits import too_many_of_buyer


class LikeLimit:
    """`live.likes_per_s` for each buyer, in each API worker."""

    def __init__(self, settings: Settings) -> None:
        per_s = settings.live.likes_per_s
        self._likes = RateLimit(per_s, ceil(per_s) + MAX_TAPS)

    def check(self, buyer_id: str, count: int, now_s: float) -> None:
        """Count likes. Raises Problem("slow_down"). `now_s` is `time.monotonic`."""
        wait_s = self._likes.wait_s(buyer_id, now_s, count)
        if wait_s:
            raise too_many_of_buyer(wait_s)
