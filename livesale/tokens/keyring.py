"""The keys of our signatures: one signs, the old ones verify until they are removed."""

import base64
import hmac
from collections.abc import Mapping

from livesale.settings import Settings


class Keyring:
    """HMAC-SHA256 over a text and further values, which need not be in the text.

    None of them may contain `|`, so that different values never give the same input.
    """

    def __init__(
        self, key_id: str, secret: bytes, old_keys: Mapping[str, bytes] | None = None
    ) -> None:
        self.key_id = key_id
        self._secrets = {**(old_keys or {}), key_id: secret}

    @classmethod
    def from_settings(cls, settings: Settings) -> "Keyring":
        auth = settings.auth
        old = {key_id: value.get_secret_value().encode() for key_id, value in auth.old_keys.items()}
        return cls(auth.key_id, auth.secret.get_secret_value().encode(), old)

    def mac(self, text: str, *bound: str) -> str:
        """43 characters of base64url."""
        return _mac(self._secrets[self.key_id], text, *bound)

    def derived(self, purpose: str) -> list[bytes]:
        """Derived keys of 64 bytes for another purpose, one from each key; the signing key's
        first."""
        secrets = [self._secrets[self.key_id]]
        secrets += [secret for name, secret in self._secrets.items() if name != self.key_id]
        return [hmac.digest(secret, purpose.encode(), "sha512") for secret in secrets]

    def knows(self, key_id: str) -> bool:
        return key_id in self._secrets

    def holds(self, mac: str, key_id: str, text: str, *bound: str) -> bool:
        """Whether the mac is ours, in constant time. The caller checked that the key is known."""
        return hmac.compare_digest(mac, _mac(self._secrets[key_id], text, *bound))


def _mac(secret: bytes, *parts: str) -> str:
    digest = hmac.digest(secret, "|".join(parts).encode(), "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
