"""TOTP, the second factor (RFC 6238), and how its secrets are kept.

A secret is sealed with AES-SIV under a key from the keyring, and bound to the operator's name: a
copy of the database makes no codes, and a secret cannot be moved to another row. Secrets of a key
that left the settings are unknown: their operators need a one-time link, and a new second factor.
"""

import base64

import pyotp
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from livesale.tokens.keyring import Keyring

ISSUER = "livesale"
STEP_S = 30
DRIFT = 1  # steps that a phone's clock may be wrong by


class Codes:
    """Makes, seals and checks secrets."""

    def __init__(self, keyring: Keyring) -> None:
        self._ciphers = [AESSIV(key) for key in keyring.derived("second factors of operators")]

    def new(self) -> str:
        """A secret of 160 bits, in base32."""
        return pyotp.random_base32()

    def uri(self, name: str, secret: str) -> str:
        """What an authenticator app reads as a QR code."""
        return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER)

    def seal(self, name: str, secret: str) -> str:
        sealed = self._ciphers[0].encrypt(secret.encode(), [name.encode()])
        return base64.urlsafe_b64encode(sealed).decode()

    def open(self, name: str, sealed: str | None) -> str | None:
        """The secret; None if there is none, or none that a present key sealed for this name."""
        if sealed is None:
            return None
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(base64.urlsafe_b64decode(sealed), [name.encode()]).decode()
            except (InvalidTag, ValueError):
                continue
        return None

    def step_of(self, secret: str | None, code: str, now_ms: int, after: int) -> int | None:
        """The step that a code belongs to, None for a wrong one. Only steps later than `after`
        count: so a code is good once."""
        if secret is None:
            return None
        totp, now = pyotp.TOTP(secret), now_ms // (1000 * STEP_S)
        found = None
        for step in range(
            max(0, now - DRIFT), now + DRIFT + 1
        ):  # all of them, however early one fits
            if pyotp.utils.strings_equal(code, totp.generate_otp(step)) and step > after:
                found = step
        return found
