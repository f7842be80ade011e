"""Signed places: what a buyer shows instead of asking Redis; what a place gets. No state, no I/O.

    lsl1.<key id>.<epoch>.<index>.<mac>

The mac is over everything before its dot, the drop and the buyer: nobody else can show it. With
another epoch, after a recovery, it is not trusted: the place is read from Redis again.
"""

import re

from livesale.tokens.keyring import Keyring
from stock.ids import Origin, origin_id

VERSION = "lsl1"
PLACE_PATTERN = r"^[!-~]{0,160}$"

_read = re.compile(
    r"(lsl1\.([A-Za-z0-9]{1,16})\.(\d{1,15})\.(\d{1,8}))\.([A-Za-z0-9_-]{43})", re.ASCII
).fullmatch


class PlaceSigner:
    """Signs and reads places."""

    def __init__(self, keyring: Keyring) -> None:
        self._keys = keyring

    def sign(self, index: int, *, drop_id: str, buyer_id: str, epoch: int) -> str:
        text = f"{VERSION}.{self._keys.key_id}.{epoch}.{index}"
        return f"{text}.{self._keys.mac(text, drop_id, buyer_id)}"

    def read(self, text: str, *, drop_id: str, buyer_id: str, epoch: int) -> int | None:
        """The index, if this buyer got it for this drop in this epoch."""
        found = _read(text)
        if found is None or not self._keys.knows(found[2]) or int(found[3]) != epoch:
            return None
        if not self._keys.holds(found[5], found[2], found[1], drop_id, buyer_id):
            return None
        return int(found[4])


def place_rid(drop_id: str, buyer_id: str, place: int) -> str:
    """The reservation that a place gets: always the same, so nobody gets two for one place."""
    return origin_id(drop_id, Origin.LINE, buyer_id, str(place))
