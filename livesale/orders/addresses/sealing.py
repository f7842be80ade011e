"""Encrypts addresses at rest, by keys from the settings; and hashes the end of a phone number.

AES-256-GCM with a random nonce. A sealed text is `<key id>.<base64url of nonce and ciphertext>` and
is bound to what it belongs to: a text that was moved to another row cannot be opened. The first key
seals, the old ones open until the keeper has sealed all rows anew. The four digits are hashed with
a key, because ten thousand hashes without one are looked up in a moment.
"""

import base64
import binascii
import hmac
import secrets
from collections.abc import Mapping

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from livesale.errors import LivesaleError
from livesale.orders.addresses.form import Address
from livesale.settings import Settings
from livesale.validation.refusals import OrderRefused

_NONCE_BYTES = 12
_HASH_CHARS = 22


class CannotOpen(LivesaleError):
    """No key of the settings opens it: a key was removed too early, or the row was altered."""


class Sealer:
    """Seals and opens addresses. Without a key it is off: OrderRefused("addresses_off")."""

    def __init__(
        self, key_id: str, key: bytes, old_keys: Mapping[str, bytes] | None = None
    ) -> None:
        """An empty `key` switches it off."""
        self.key_id = key_id if key else ""
        keys = {**(old_keys or {}), key_id: key} if key else {}
        self._ciphers = {name: AESGCM(_derive(part, "address")) for name, part in keys.items()}
        self._hash_keys = {name: _derive(part, "phone") for name, part in keys.items()}

    @classmethod
    def from_settings(cls, settings: Settings) -> "Sealer":
        orders = settings.orders
        old = {
            name: key.get_secret_value().encode() for name, key in orders.old_address_keys.items()
        }
        return cls(orders.address_key_id, orders.address_key.get_secret_value().encode(), old)

    @property
    def is_on(self) -> bool:
        return bool(self._ciphers)

    def check_on(self) -> None:
        """Raises OrderRefused("addresses_off")."""
        if not self.is_on:
            raise OrderRefused("addresses_off", "Set LIVESALE__ORDERS__ADDRESS_KEY first.")

    def seal(self, address: Address, *owner: str) -> str:
        """The sealed text, bound to `owner`. Raises OrderRefused if there is no key."""
        self.check_on()
        nonce = secrets.token_bytes(_NONCE_BYTES)
        plain = msgspec.json.encode(address)
        box = nonce + self._ciphers[self.key_id].encrypt(nonce, plain, _bound(owner))
        return f"{self.key_id}.{base64.urlsafe_b64encode(box).decode()}"

    def open(self, text: str, *owner: str) -> Address:
        """The address in a sealed text. Raises CannotOpen."""
        key_id, _, packed = text.partition(".")
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise CannotOpen(f"the settings have no address key {key_id!r}")
        try:
            box = base64.urlsafe_b64decode(packed)
            plain = cipher.decrypt(box[:_NONCE_BYTES], box[_NONCE_BYTES:], _bound(owner))
            return msgspec.json.decode(plain, type=Address)
        except (InvalidTag, binascii.Error, ValueError, msgspec.MsgspecError):
            raise CannotOpen(f"an address sealed by {key_id!r} does not open") from None

    def phone_hash(self, last_four: str) -> str:
        """The hash of four digits, by the present key."""
        self.check_on()
        return _hash(self._hash_keys[self.key_id], last_four)

    def phone_hashes(self, last_four: str) -> list[str]:
        """Their hashes by every key: what a search looks for while keys are changed."""
        self.check_on()
        return [_hash(key, last_four) for key in self._hash_keys.values()]


def _bound(owner: tuple[str, ...]) -> bytes:
    return "|".join(owner).encode()


def _hash(key: bytes, last_four: str) -> str:
    digest = hmac.digest(key, last_four.encode(), "sha256")
    return base64.urlsafe_b64encode(digest).decode()[:_HASH_CHARS]


def _derive(secret: bytes, purpose: str) -> bytes:
    info = f"livesale {purpose}".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret)
