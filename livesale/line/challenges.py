"""The challenge before a ticket: ALTCHA's proof of work, created and checked without state.

A challenge is signed, for one buyer and one drop, and has the serial of its future ticket. So the
same solution always gives the same ticket, which `reserve` accepts once: we need no list of
solutions. The client finds the counter between 0 and 1.5 × difficulty; we derive one key when we
create the challenge, and check a solution with one HMAC.
"""

import hmac
import secrets
from collections.abc import Mapping
from typing import Annotated, Any

from altcha import Payload, create_challenge, verify_solution
from msgspec import Meta

from livesale.settings import Settings
from livesale.tokens.errors import ChallengeFailed
from livesale.validation.refusals import ChallengeRequired

ALGORITHM = "PBKDF2/SHA-256"
COST = 200  # iterations per try: 0.1 ms, which is also our cost of creating a challenge
MAX_DIFFICULTY = 1_000_000
MAX_SOLUTION_LENGTH = 2_048


Altcha = Annotated[
    str,
    Meta(
        max_length=MAX_SOLUTION_LENGTH,
        description="the solved challenge, in the form of the ALTCHA widget",
    ),
]


class Challenges:
    """Creates challenges with one key; accepts those of old keys, too."""

    def __init__(self, secret: bytes, old_secrets: tuple[bytes, ...], lifetime_ms: int) -> None:
        self._keys = [_keys(each) for each in (secret, *old_secrets)]
        self._lifetime_ms = lifetime_ms

    @classmethod
    def from_settings(cls, settings: Settings) -> "Challenges":
        auth = settings.auth
        old = tuple(value.get_secret_value().encode() for value in auth.old_keys.values())
        secret = auth.secret.get_secret_value().encode()
        return cls(secret, old, settings.tickets.challenge_s * 1000)

    def make(
        self, *, drop_id: str, buyer_id: str, serial: int, difficulty: int, now_ms: int
    ) -> Mapping[str, Any]:
        """A challenge for the ALTCHA widget, valid until `parameters.expiresAt` (s)."""
        challenge_key, solution_key = self._keys[0]
        made = create_challenge(
            ALGORITHM,
            COST,
            counter=difficulty // 2 + secrets.randbelow(difficulty),
            expires_at=(now_ms + self._lifetime_ms) // 1000,
            # JavaScript loses digits above 2^53; a serial is far below.
            data={"drop": drop_id, "buyer": buyer_id, "serial": serial},
            hmac_secret=challenge_key,
            hmac_key_secret=solution_key,
        )
        return made.to_dict()

    def check(self, solution: str, *, drop_id: str, buyer_id: str, now_ms: int) -> int:
        """The serial of the solved challenge. Raises ChallengeFailed."""
        try:
            payload = Payload.from_base64(solution)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise ChallengeFailed("This is not a solution of a challenge.") from None
        if not any(self._holds(payload, *keys) for keys in self._keys):
            raise ChallengeFailed("The solution is wrong, or came too late.")
        data = payload.challenge.parameters.data or {}
        if (data.get("drop"), data.get("buyer")) != (drop_id, buyer_id):
            raise ChallengeFailed("The solution is for another buyer or drop.")
        serial = int(data["serial"])
        if serial // 1000 + self._lifetime_ms <= now_ms:
            raise ChallengeFailed("The challenge has expired.")
        return serial

    def demand(
        self,
        solution: str | None,
        *,
        drop_id: str,
        buyer_id: str,
        serial: int,
        difficulty: int,
        now_ms: int,
    ) -> int:
        """The serial of the solved challenge. Raises ChallengeRequired with a new challenge, which
        has `serial`, if it is not solved."""
        why = "Solve the challenge first."
        if solution is not None:
            try:
                return self.check(solution, drop_id=drop_id, buyer_id=buyer_id, now_ms=now_ms)
            except ChallengeFailed as failure:
                why = str(failure)
        challenge = self.make(
            drop_id=drop_id,
            buyer_id=buyer_id,
            serial=serial,
            difficulty=difficulty,
            now_ms=now_ms,
        )
        raise ChallengeRequired(why, challenge)

    @staticmethod
    def _holds(payload: Payload, challenge_key: bytes, solution_key: bytes) -> bool:
        try:
            found = verify_solution(payload, challenge_key, hmac_key_secret=solution_key)
        except (ValueError, TypeError, AttributeError, OverflowError):
            return False  # fields of a wrong type
        return found.verified


def _keys(secret: bytes) -> tuple[bytes, bytes]:
    # Separate keys: the keys of tokens sign nothing else.
    names = (b"livesale altcha challenge", b"livesale altcha solution")
    return hmac.digest(secret, names[0], "sha256"), hmac.digest(secret, names[1], "sha256")
