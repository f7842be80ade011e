"""Text for streams of any encoding: a character that the encoding lacks is replaced, never a fault.

A terminal in China may be GBK, a service may run under LC_ALL=C or ISO-8859-1.
"""

import codecs
import json
import re
from typing import Any, TextIO

import msgspec

REPLACE = "livesale.replace"  # the name of the error handler

# What people see in place of our own signs; anything else becomes a question mark.
_INSTEAD = {
    "✓": "+",
    "✗": "x",
    "●": "*",
    "•": "*",
    "·": "-",
    "…": "...",
    "–": "-",
    "—": "-",
    "→": "->",
    "≥": ">=",
    "≤": "<=",
    "±": "+/-",
    "∪": "u",
    "⇒": "=>",
    "¥": "CNY ",
    "µ": "u",
    "×": "x",
    "█": "#",
    "▓": "=",
    "░": "-",
    "▶": ">",
    "⇅": "^v",
    "─": "-",
    "━": "-",
    "│": "|",
    "╭": "+",
    "╮": "+",
    "╰": "+",
    "╯": "+",
}
_foreign = re.compile("[^\x00-\x7f]")


def _replace(fault: UnicodeError) -> tuple[str, int]:
    if not isinstance(fault, UnicodeEncodeError):
        raise fault
    lost = fault.object[fault.start : fault.end]
    return "".join(_INSTEAD.get(character, "?") for character in lost), fault.end


codecs.register_error(REPLACE, _replace)


def is_utf8(stream: TextIO) -> bool:
    """Whether the stream takes every character. One that names no encoding keeps text."""
    name = getattr(stream, "encoding", None)
    return name is None or codecs.lookup(name).name == "utf-8"


def to_json(value: Any, stream: TextIO) -> str:
    """Any msgspec type as JSON that the stream can carry: in ASCII unless the stream is UTF-8.

    The values are the same. Only text that is no UTF-8, such as an odd file name, loses characters.
    """
    try:
        encoded = msgspec.json.encode(value)
    except UnicodeEncodeError:
        plain = json.dumps(msgspec.to_builtins(value), ensure_ascii=False)
        encoded = plain.encode("utf-8", "replace")
    text = encoded.decode()
    if text.isascii() or is_utf8(stream):
        return text
    return _foreign.sub(lambda found: _escape(found[0]), text)


def _escape(character: str) -> str:
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
