"""Where a key lives: its hash tag, its slot, and the key of a command. No I/O."""

from binascii import crc_hqx
from collections.abc import Sequence

SLOTS = 16_384

# Commands whose first key is not their first argument. `XINFO STREAM` and the like are one word and
# one argument for redis-py.
_KEYLESS = frozenset(
    [
        *("ACL", "BGREWRITEAOF", "CLIENT", "CLUSTER", "CONFIG", "DBSIZE", "FLUSHALL", "INFO"),
        *("PING", "ROLE", "SCAN", "SCRIPT", "TIME", "WAIT"),
    ]
)


def tag_of(key: str) -> str:
    """The part of a key that decides its slot: between the first braces, else all of it."""
    start = key.find("{")
    if start >= 0:
        end = key.find("}", start + 1)
        if end > start + 1:
            return key[start + 1 : end]
    return key


def slot_of(key: str) -> int:
    """The slot of a key, 0 to 16,383: CRC16 (XMODEM) of its tag."""
    return crc_hqx(tag_of(key).encode(errors="surrogateescape"), 0) % SLOTS


def key_of(command: Sequence[object]) -> str | None:
    """The first key of a command as redis-py builds it; None for one without a key."""
    words = _text(command[0]).split()
    name = words[0].upper()
    if name in _KEYLESS:
        return None
    if name in ("EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO", "FCALL"):
        return _text(command[3]) if int(_text(command[2])) else None
    if name == "XREAD":
        return _text(command[[_text(word).upper() for word in command].index("STREAMS") + 1])
    place = 2 if name in ("MEMORY", "OBJECT", "XINFO") and len(words) == 1 else 1
    return _text(command[place]) if len(command) > place else None


def _text(word: object) -> str:
    return word.decode(errors="surrogateescape") if isinstance(word, bytes) else str(word)
