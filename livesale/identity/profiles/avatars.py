"""Avatars that people upload: a picture like those of goods, of which rooms show the small size."""

import time

from livesale.catalogue.pictures.service import Pictures
from livesale.identity.profiles.service import Profile, Profiles
from livesale.settings import Settings
from livesale.tasks.rates import RateLimit
from livesale.web.limits import too_many_of_buyer

MAX_BYTES = 5 << 20
# A worker encodes one picture at a time, and keeps each: so many of one buyer, in each worker.
PER_S, BURST = 1 / 600, 5


class Avatars:
    """One per process."""

    def __init__(self, pictures: Pictures, profiles: Profiles) -> None:
        self._pictures = pictures
        self._profiles = profiles
        self._uploads = RateLimit(PER_S, BURST)

    async def upload(self, buyer_id: str, raw: bytes) -> Profile:
        """Make a picture the avatar of a buyer.

        Raises Problem (slow_down), PictureRefused, MediaUnavailable or StoreUnavailable: then the
        avatar is what it was.
        """
        wait_s = self._uploads.wait_s(buyer_id, time.monotonic())
        if wait_s:
            raise too_many_of_buyer(wait_s)
        picture, _ = await self._pictures.upload(raw, f"buyer|{buyer_id}")
        return await self._profiles.set_picture(buyer_id, picture.sizes["thumb"].jpeg)


def max_bytes(settings: Settings) -> int:
    """The largest file that may be an avatar."""
    return min(MAX_BYTES, settings.media.max_bytes)
