"""Recognises the heads of requests about whose form and length nobody can disagree.

This is no parser. Two regular expressions say what is plain: HTTP/1.1, lines that end in CR LF,
names of token characters, a colon and one blank, values of visible ASCII without blanks at their
ends, one Host, and a Content-Length in plain digits or none. Nothing else says how long the body
is, and nothing ends the connection. Every server reads such bytes alike, so where one of these
requests ends is beyond dispute. All other bytes are somebody else's to read.

`hot_head` goes on from there: a reservation whose headers have the form that the checks of its
endpoint ask for. One that has another form is not hot, and is refused by those checks.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from livesale.tokens.signing import BUYER_FORM
from livesale.web.routes import JSON
from livesale.web.traffic import SANE_ID
from stock.ids import DROP_ID_PATTERN, IDEMPOTENCY_KEY_PATTERN

# No group here is repeated possessively: before 3.11.5, Python may find no match of such a repeat
# where there is one (gh-106052). With Debian 12's own 3.11.2, no request was hot.

MAX_LINES = 60  # aiohttp has a bound, too, and refuses what is beyond
MAX_NAMES = 1_000  # spellings of header names that are remembered

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_VALUE = r"[!-~][ -~]*+(?<! )"
_LENGTH = r"0|[1-9][0-9]{0,8}"
_KEEP_ALIVE = r"[Kk]eep-[Aa]live"

# What a hot call may say of these; each once. The groups are those of `hot_head`, in this order.
_KNOWN = {
    "Authorization": f"[Bb]earer {BUYER_FORM}",  # signed text, key id, buyer, when it ends, mac
    "Host": f"({_VALUE})",
    "Content-Type": f"({re.escape(JSON)})",
    "Content-Length": f"({_LENGTH})",
    "Idempotency-Key": f"({IDEMPOTENCY_KEY_PATTERN.strip('^$')})",
    "X-Request-Id": f"({SANE_ID})",
    "X-Forwarded-For": f"({_VALUE})",
    "Origin": f"({_VALUE})",
    "User-Agent": f"({_VALUE})",
    "Connection": f"({_KEEP_ALIVE})",
}
# Names that begin like these are no other header's: what they mean is for aiohttp to say.
_NEVER_OTHER = (
    *("content-", "transfer-", "proxy-", "sec-websocket", "upgrade", "expect"),
    *("etag", "max-forwards", "server"),
)


def _hot_pattern() -> bytes:
    """One pass over the head: each line one of the known ones, for the first time, or another."""
    lines, group = [], 2
    for name, form in _KNOWN.items():
        lines.append(rf"(?({group})(?!))(?i:{name}): {form}")
        group += re.compile(form).groups
    never = "|".join([*map(str.lower, _KNOWN), *_NEVER_OTHER])
    lines.append(rf"(?!(?i:{never})){_NAME}: {_VALUE}")
    drop_id = DROP_ID_PATTERN.strip("^$")
    path = rf"POST /v1/drops/({drop_id})/reservations HTTP/1\.1"
    return rf"{path}(?:\r\n(?:{'|'.join(lines)})){{1,{MAX_LINES}}}\r\n\r\n".encode()


# (data, at, end of what may be looked at): a match, or None when it is none, or not whole
hot_head = re.compile(_hot_pattern()).match

_plain_head = re.compile(
    rf"([A-Z]{{1,20}}+) ([!-~]++) HTTP/1\.1((?:\r\n{_NAME}: {_VALUE})+)\r\n\r\n".encode()
).match
_is_length = re.compile(_LENGTH).fullmatch
_keeps_alive = re.compile(_KEEP_ALIVE).fullmatch

_ODD = ("transfer-encoding", "upgrade", "expect", "proxy-connection")
_names: dict[str, str] = {"": ""}  # from a name as it was sent to lower case


class Plain(NamedTuple):
    """A request whose end is beyond dispute. Names of headers are in lower case."""

    stop: int  # where it ends, body and all
    method: bytes
    path: bytes
    headers: Mapping[str, str]


def plain_head(data: bytes, at: int, end: int) -> Plain | None:
    """The plain request that begins at `at`.

    None when its head is not plain, or not whole before `end`.
    """
    found = _plain_head(data, at, end)
    if found is None or found[1] == b"CONNECT":
        return None
    lines = found[3].decode("ascii").split("\r\n")
    headers: dict[str, str] = {}
    known = _names.get
    for line in lines:
        name, _, value = line.partition(": ")
        headers[known(name) or _learn(name)] = value
    # The block begins with a line's end, so the first line is empty: one more, as it should be.
    if len(headers) != len(lines) or len(lines) > MAX_LINES or "host" not in headers:
        return None
    if any(name in headers for name in _ODD) or not _keeps_alive(
        headers.get("connection", "keep-alive")
    ):
        return None
    length = headers.get("content-length", "0")
    if not _is_length(length):
        return None
    return Plain(found.end() + int(length), found[1], found[2].partition(b"?")[0], headers)


def _learn(sent: str) -> str:
    name = sent.lower()
    if len(_names) < MAX_NAMES:
        _names[sent] = name
    return name
