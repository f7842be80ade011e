"""Signed tokens in plain text. No state, no I/O.

    ls1.<key id>.b.<buyer_id>.<expires_ms>.<mac>    h instead of b: by the official account
    ls1.<key id>.o.<name>.<roles joined by +>.<expires_ms>.<mac>

The mac is HMAC-SHA256 over everything before its dot, the key id included, in base64url. It is
compared as text, in constant time, so no other encoding of the same bytes is valid. We use nothing
of a token before its mac is verified. A check costs about 2 µs; a JWT library needs 58 or more,
which is more than the rest of the request.
"""

import binascii
import hmac
import re
import time
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256

from msgspec import Struct

from livesale.access.actions import Action, may
from livesale.access.roles import Role
from livesale.settings import Settings
from livesale.tokens.apps import App
from livesale.tokens.errors import TokenExpired, TokenInvalid
from stock.ids import is_buyer_id

VERSION = "ls1"
MAX_TOKEN_LENGTH = 256

_BLOCK = 64  # block size of SHA-256 in bytes
_INNER_PAD = bytes(byte ^ 0x36 for byte in range(256))
_OUTER_PAD = bytes(byte ^ 0x5C for byte in range(256))
_URL_SAFE = bytes.maketrans(b"+/", b"-_")

_SIGNED = rf"({VERSION}\.([A-Za-z0-9]{{1,16}})\."  # everything before the mac; the key id
_END = r"\.([0-9]{1,15}))\.([A-Za-z0-9_-]{43})"  # end of validity; the mac
BUYER_FORM = rf"{_SIGNED}[bh]\.([A-Za-z0-9_-]{{1,40}}){_END}"
_OPERATOR_FORM = rf"{_SIGNED}o\.([A-Za-z0-9_-]{{1,40}})\.([a-z+]{{1,64}}){_END}"

_buyers = re.compile(BUYER_FORM).fullmatch
_operators = re.compile(_OPERATOR_FORM).fullmatch

is_operator_name = re.compile(r"[A-Za-z0-9_-]{1,40}").fullmatch


class Buyer(Struct, frozen=True, gc=False):
    """`app` is that of the login. The fast lane leaves it out: reservations do not need it."""

    buyer_id: str
    expires_ms: int
    app: App = App.MINI_PROGRAM


class Operator(Struct, frozen=True):
    """A program with a token, or a person with a session: then `session_id` names it. `store_id` is
    the pickup store of a clerk."""

    name: str
    roles: frozenset[Role]
    expires_ms: int
    session_id: str = ""
    store_id: str | None = None

    def may(self, action: Action) -> bool:
        return may(self.roles, action)


def wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


class TokenSigner:
    """Issues tokens with one key; accepts those of old keys, too, until they are removed."""

    def __init__(
        self,
        key_id: str,
        secret: bytes,
        old_keys: Mapping[str, bytes] | None = None,
        *,
        buyer_ms: int = 86_400_000,
        operator_ms: int = 43_200_000,
        now_ms: Callable[[], int] = wall_clock_ms,
    ) -> None:
        self._key_id = key_id
        secrets = {**(old_keys or {}), key_id: secret}
        self._macs = {key: _Mac(secret) for key, secret in secrets.items()}
        self._buyer_ms = buyer_ms
        self._operator_ms = operator_ms
        self._now_ms = now_ms

    @classmethod
    def from_settings(cls, settings: Settings) -> "TokenSigner":
        auth = settings.auth
        return cls(
            auth.key_id,
            auth.secret.get_secret_value().encode(),
            {key_id: old.get_secret_value().encode() for key_id, old in auth.old_keys.items()},
            buyer_ms=auth.buyer_token_s * 1000,
            operator_ms=auth.operator_token_s * 1000,
        )

    def buyer_expiry_ms(self) -> int:
        """The end of a buyer's token that is issued now."""
        return self._now_ms() + self._buyer_ms

    def buyer(
        self, buyer_id: str, expires_ms: int | None = None, app: App = App.MINI_PROGRAM
    ) -> str:
        """A buyer's token. Raises ValueError for an invalid buyer id."""
        if not is_buyer_id(buyer_id):
            raise ValueError(f"not a buyer id: {buyer_id!r}")
        kind = "h" if app is App.OFFICIAL_ACCOUNT else "b"
        return self._signed(f"{kind}.{buyer_id}.{expires_ms or self.buyer_expiry_ms()}")

    def operator(self, name: str, roles: Iterable[Role | str] = (Role.OWNER,)) -> str:
        """An operator's token. Raises ValueError for an invalid name or role."""
        if not is_operator_name(name):
            raise ValueError(f"an operator's name is 1 to 40 of A-Z a-z 0-9 _ -, not {name!r}")
        granted = sorted({Role(role).in_tokens for role in roles})
        if not granted:
            raise ValueError("an operator needs a role")
        return self._signed(f"o.{name}.{'+'.join(granted)}.{self._now_ms() + self._operator_ms}")

    def verify(self, token: str) -> Buyer | Operator:
        """The identity in the token.

        Raises TokenInvalid (malformed, unknown key, wrong mac) or TokenExpired.
        """
        if len(token) > MAX_TOKEN_LENGTH:
            raise TokenInvalid("not a token of this service")
        form = _buyers(token)
        if form is not None:
            signed, key_id, name, expires, mac = form.groups()
            self._prove(signed.encode(), key_id, int(expires), mac.encode())
            is_h5 = signed.split(".", 3)[2] == "h"
            return Buyer(name, int(expires), App.OFFICIAL_ACCOUNT if is_h5 else App.MINI_PROGRAM)
        form = _operators(token)
        if form is None:
            raise TokenInvalid("not a token of this service")
        signed, key_id, name, roles, expires, mac = form.groups()
        self._prove(signed.encode(), key_id, int(expires), mac.encode())
        try:
            return Operator(name, frozenset(map(Role, roles.split("+"))), int(expires))
        except ValueError:  # signed by another version, or by a stolen key
            raise TokenInvalid("signed, but not a token of this version") from None

    def check_time(self, caller: Buyer | Operator) -> None:
        """Raises TokenExpired if the token of a verified caller has ended since."""
        if caller.expires_ms <= self._now_ms():
            raise TokenExpired("the token has expired")

    def buyer_of(self, signed: bytes, key_id: str, name: str, expires_ms: int, mac: bytes) -> Buyer:
        """The buyer of a token in the parts of BUYER_FORM. Raises the same as `verify`."""
        self._prove(signed, key_id, expires_ms, mac)
        return Buyer(name, expires_ms)

    def _prove(self, signed: bytes, key_id: str, expires_ms: int, mac: bytes) -> None:
        mac_of = self._macs.get(key_id)
        if mac_of is None:
            raise TokenInvalid("not a token of this service")
        if not hmac.compare_digest(mac, mac_of(signed)):
            raise TokenInvalid("the signature is wrong")
        if expires_ms <= self._now_ms():
            raise TokenExpired("the token has expired")

    def _signed(self, claims: str) -> str:
        text = f"{VERSION}.{self._key_id}.{claims}"
        return f"{text}.{self._macs[self._key_id](text.encode()).decode()}"


class _Mac:
    """HMAC-SHA256 with one secret, in base64url.

    Both hashes already contain the padded secret (RFC 2104, section 4), so a message needs only a
    copy of each. `hmac.digest` starts again each time and takes twice as long.
    """

    def __init__(self, secret: bytes) -> None:
        key = (sha256(secret).digest() if len(secret) > _BLOCK else secret).ljust(_BLOCK, b"\0")
        self._inner = sha256(key.translate(_INNER_PAD))
        self._outer = sha256(key.translate(_OUTER_PAD))

    def __call__(self, message: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return binascii.b2a_base64(outer.digest(), newline=False)[:43].translate(_URL_SAFE)
