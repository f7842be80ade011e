"""Codes that a buyer shows in a store.

A code has 10 characters of 5 random bits. SQL has it sealed, for the buyer, and as a slow hash with
the store's salt, for the store: a clerk's phone may have the hashes, and checks a code without a
network. 50 bits times 10,000 rounds are too much for who finds the phone.
"""

import base64
import hashlib
import re
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from livesale.tokens.keyring import Keyring

ROUNDS = 10_000
LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 10
QR_PREFIX = "livesale-pickup"

_ALIKE = str.maketrans("OIL", "011")
_CODE = re.compile(rf"[{LETTERS}]{{{LENGTH}}}")


class PickupCodes:
    """Makes, seals and opens codes. Codes of a key that left the settings cannot be shown."""

    def __init__(self, keyring: Keyring) -> None:
        self._ciphers = [AESSIV(key) for key in keyring.derived("codes of pickups")]

    def new(self) -> str:
        return "".join(secrets.choice(LETTERS) for _ in range(LENGTH))

    def seal(self, code: str, *owner: str) -> str:
        sealed = self._ciphers[0].encrypt(code.encode(), [part.encode() for part in owner])
        return base64.urlsafe_b64encode(sealed).decode()

    def open(self, sealed: str, *owner: str) -> str | None:
        """The code; None if no present key sealed it for this owner."""
        bound = [part.encode() for part in owner]
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(base64.urlsafe_b64decode(sealed), bound).decode()
            except (InvalidTag, ValueError):
                continue
        return None


def salt_of(store_id: str) -> str:
    return f"livesale pickup {store_id}"


def hash_of(store_id: str, code: str) -> str:
    """64 hex digits of PBKDF2 with HMAC-SHA256. Takes a few milliseconds."""
    return hashlib.pbkdf2_hmac("sha256", code.encode(), salt_of(store_id).encode(), ROUNDS).hex()


def qr_of(store_id: str, code: str) -> str:
    """What the picture says that the clerk scans."""
    return f"{QR_PREFIX}:{store_id}:{code}"


def read_code(text: str, store_id: str) -> str | None:
    """The code that somebody scanned or typed; None if it cannot be one, or is another store's."""
    prefix, _, rest = text.strip().partition(":")
    if prefix == QR_PREFIX:
        store, _, text = rest.partition(":")
        if store != store_id:
            return None
    code = text.upper().replace("-", "").replace(" ", "").translate(_ALIKE)
    return code if _CODE.fullmatch(code) else None
