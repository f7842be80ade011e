"""Publish keys: the right to send a room's stream. Signed like tickets. No state, no I/O.

    lsp1.<key id>.<number>.<expires_ms>.<mac>

The mac covers the room id, which is not in the text: it is the name of the stream. The number is
the room's key number when the key was made; a new number ends all earlier keys.
"""

import re

from msgspec import Struct

from livesale.tokens.errors import PublishKeyInvalid
from livesale.tokens.keyring import Keyring

VERSION = "lsp1"

_read = re.compile(
    r"(lsp1\.([A-Za-z0-9]{1,16})\.(\d{1,15})\.(\d{1,15}))\.([A-Za-z0-9_-]{43})", re.ASCII
).fullmatch


class PublishKey(Struct, frozen=True):
    number: int
    expires_ms: int


class PublishKeys:
    """Signs and reads publish keys."""

    def __init__(self, keyring: Keyring) -> None:
        self._keys = keyring

    def sign(self, room_id: str, key: PublishKey) -> str:
        text = f"{VERSION}.{self._keys.key_id}.{key.number}.{key.expires_ms}"
        return f"{text}.{self._keys.mac(text, room_id)}"

    def read(self, room_id: str, text: str) -> PublishKey:
        """The key, if we made it for this room. The caller checks its number and expiry.

        Raises PublishKeyInvalid.
        """
        found = _read(text)
        if found is None or not self._keys.knows(found[2]):
            raise PublishKeyInvalid("not a publish key of this service")
        if not self._keys.holds(found[5], found[2], found[1], room_id):
            raise PublishKeyInvalid("not for this room, or altered")
        return PublishKey(int(found[3]), int(found[4]))
