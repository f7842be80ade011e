"""Ids of people in one room. No I/O.

Viewers never see the id of another buyer, because they could follow a person from room to room.
They see a person id, which the service encrypts from the buyer id and can decrypt. It is AES-SIV
(RFC 5297), so a person has one id in a room as long as the signing key stays; the room id is
authenticated, so an id of another room is invalid here. Keys come from the keyring: ids of an old
key are valid as long as the settings list it.
"""

import base64
import re

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from livesale.tokens.keyring import Keyring
from livesale.validation.refusals import Unknown

PERSON_ID_PATTERN = r"^[A-Za-z0-9_-]{23,75}$"  # 16 bytes and a buyer's id, in base64url

_is_person_id = re.compile(PERSON_ID_PATTERN).fullmatch


class PersonIds:
    """Encrypts and decrypts person ids."""

    def __init__(self, keyring: Keyring) -> None:
        self._ciphers = [AESSIV(key) for key in keyring.derived("people of rooms")]

    def of(self, room_id: str, buyer_id: str) -> str:
        sealed = self._ciphers[0].encrypt(buyer_id.encode(), [room_id.encode()])
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def buyer_of(self, room_id: str, person_id: str) -> str:
        """The buyer of this person id in this room. Raises Unknown (unknown_member)."""
        if not _is_person_id(person_id):
            raise Unknown("unknown_member")
        try:
            sealed = base64.urlsafe_b64decode(person_id + "=" * (-len(person_id) % 4))
        except ValueError:
            raise Unknown("unknown_member") from None
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(sealed, [room_id.encode()]).decode()
            except InvalidTag:
                continue
        raise Unknown("unknown_member")
