"""Identifiers: short, sortable by time where it helps, and safe in keys, URLs and payment systems.

A drop id is 13 characters of Crockford base32 (42 bits of milliseconds, 23 random bits). A
reservation id (`rid`) is `<drop_id>-<16 characters>`: it names its drop, and so its partition, and
its 30 characters fit WeChat Pay's `out_trade_no` (at most 32).
The id of a log entry is `<milliseconds>-<number>`, as Redis gives it.

Ids that the service makes never equal ids that others send: docs/decisions/0003-rid.md.
"""

import base64
import binascii
import hashlib
import re
import secrets
import time
from enum import StrEnum

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_SUFFIX_BYTES = 12
_SUFFIX_LENGTH = 16
_URL_SAFE = bytes.maketrans(b"+/", b"-_")

START = "0-0"  # before every log entry

DROP_ID_PATTERN = r"^[0-9a-z]{1,15}$"
ROOM_ID_PATTERN = r"^r[0-9a-z]{1,14}$"
BUYER_ID_PATTERN = r"^[A-Za-z0-9_-]{1,40}$"
RID_PATTERN = r"^[0-9a-z]{1,15}-[A-Za-z0-9_-]{16}$"
PAYMENT_ID_PATTERN = r"^[A-Za-z0-9_-]{1,64}$"
IDEMPOTENCY_KEY_PATTERN = r"^[!-~]{1,64}$"

is_drop_id = re.compile(DROP_ID_PATTERN).fullmatch
is_room_id = re.compile(ROOM_ID_PATTERN).fullmatch
is_buyer_id = re.compile(BUYER_ID_PATTERN).fullmatch
is_rid = re.compile(RID_PATTERN).fullmatch
is_payment_id = re.compile(PAYMENT_ID_PATTERN).fullmatch
is_idempotency_key = re.compile(IDEMPOTENCY_KEY_PATTERN).fullmatch


def new_id() -> str:
    """A new id for a drop, a SKU or a campaign: sorts by creation time, needs no coordination."""
    return _id_of((time.time_ns() // 1_000_000) << 23 | secrets.randbits(23))


def least_id(at_ms: int) -> str:
    """A lower bound of all ids made since a time (ms since 1970 UTC)."""
    return _id_of(max(0, at_ms) << 23)


def made_ms(some_id: str) -> int:
    """When an id of `new_id` was made (ms since 1970 UTC). Raises ValueError for any other text."""
    number = 0
    for letter in some_id:
        number = number << 5 | _CROCKFORD.index(letter)
    return number >> 23


def _id_of(number: int) -> str:
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(60, -1, -5))


def new_room_id() -> str:
    """A new id for a room. Its first letter distinguishes its keys from those of a partition."""
    return f"r{new_id()}"


class Origin(StrEnum):
    """Origins of keyed ids besides buyers: the word that replaces the buyer in the hash."""

    PRIZE = "bag"
    OPERATOR = "operator"
    ROOM = "room"
    LINE = "line"


_ORIGINS = frozenset(Origin)
# A separate hash domain for texts that could equal those of another origin.
_BUYER_DOMAIN = b"livesale buyer"
_SHELL_DOMAIN = b"livesale shell"


def keyed_rid(drop_id: str, buyer_id: str, key: str) -> str:
    """The rid for this buyer, drop and `key`: the same at every retry."""
    domain = _BUYER_DOMAIN if buyer_id in _ORIGINS else b""
    return f"{drop_id}-{_digest(f'{drop_id}|{buyer_id}|{key}', domain)}"


def origin_id(drop_id: str, origin: Origin, *parts: str) -> str:
    """An id in the form of a rid for these parts: no buyer's key gives the same.

    Raises ValueError if any part but the last has a `|`, because two inputs could be equal.
    """
    if any("|" in part for part in parts[:-1]):
        raise ValueError(f"no part of an id has a |: {parts[:-1]}")
    return f"{drop_id}-{_digest('|'.join((drop_id, origin, *parts)))}"


def desk_id(drop_id: str, operator: str, key: str) -> str:
    """The id of an operator's adjustment: two who both say "1" mean two things."""
    return origin_id(drop_id, Origin.OPERATOR, operator, key)


def shell_id(drop_id: str, key: str) -> str:
    """The id of an adjustment from the command line, for a key that is no operator's."""
    domain = _SHELL_DOMAIN if "|" in key else b""
    return f"{drop_id}-{_digest(f'{drop_id}|{Origin.OPERATOR}|{key}', domain)}"


def _digest(text: str, domain: bytes = b"") -> str:
    found = hashlib.blake2b(text.encode(), digest_size=_SUFFIX_BYTES, person=domain).digest()
    return binascii.b2a_base64(found, newline=False).translate(_URL_SAFE).decode()


def random_rid(drop_id: str) -> str:
    """A random rid for a request without a key: it is never a replay."""
    return f"{drop_id}-{base64.urlsafe_b64encode(secrets.token_bytes(_SUFFIX_BYTES)).decode()}"


def drop_of(rid: str) -> str:
    """The drop of `rid`. The caller has checked the rid's form."""
    return rid[: -_SUFFIX_LENGTH - 1]


def id_key(entry_id: str) -> tuple[int, int]:
    """The id of a log entry as a pair that sorts like ids in Redis."""
    ms, _, seq = entry_id.partition("-")
    return int(ms), int(seq)
