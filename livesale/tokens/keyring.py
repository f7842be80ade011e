"""Keys by which we know what we signed: one signs, the old ones are accepted until removed."""

import base64
import hmac
from collections.abc import Mapping

from livesale.settings import Settings


class Keyring:
    """HMAC-SHA256 over a text and what it is bound to, which need not stand in the text.

    No `|` may stand in either, so that no two of them can trade characters.
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
        """Keys of 64 bytes for another purpose, one from each of ours; first that of the one that
        signs."""
        secrets = [self._secrets[self.key_id]]
        secrets += [secret for name, secret in self._secrets.items() if name != self.key_id]
        return [hmac.digest(secret, purpose.encode(), "sha512") for secret in secrets]

    def knows(self, key_id: str) -> bool:
        return key_id in self._secrets

    def holds(self, mac: str, key_id: str, text: str, *bound: str) -> bool:
        """Whether we made this mac, compared in constant time. The key is one that we know."""
        return hmac.compare_digest(mac, _mac(self._secrets[key_id], text, *bound))


def _mac(secret: bytes, *parts: str) -> str:
    digest = hmac.digest(secret, "|".join(parts).encode(), "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
