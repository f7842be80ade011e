"""Recognises the head of a request about whose form and length nobody can disagree.

This is no parser. One regular expression says what is plain: HTTP/1.1, lines that end in CR LF,
names of token characters, a colon and one blank, values of visible ASCII without blanks at their
ends. On top of that no header is there twice, one Host is, and nothing but a Content-Length in
plain digits says how long the body is. Every server reads such bytes alike, so where one of these
requests ends is beyond dispute. All else is somebody else's to read: `read_head` says None.
"""

import re

from msgspec import Struct

MAX_LINES = 60
MAX_NAMES = 1_000  # spellings of header names that are remembered

# The drop of a hot call, or another method; all header lines, each with the line's end before it.
_plain_head = re.compile(
    rb"(?:POST /v1/drops/([0-9a-z]{1,15}+)/reservations|([A-Z]{1,20}+) [!-~]++) HTTP/1\.1"
    rb"((?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]++: [!-~][ -~]*+(?<! ))++)\r\n\r\n"
).match

# Whatever ends a connection, or makes a body longer or shorter than its Content-Length.
_ODD = "Transfer-Encoding"
_SPELLED = {
    name.lower(): name
    for name in (
        "Authorization",
        "Connection",
        "Content-Encoding",
        "Content-Length",
        "Content-Type",
        "Host",
        "Idempotency-Key",
        "Origin",
        "X-Forwarded-For",
        "X-Request-Id",
    )
} | dict.fromkeys(("transfer-encoding", "upgrade", "expect", "proxy-connection"), _ODD)
_KEEP_ALIVE = {"keep-alive", "Keep-Alive"}


_names: dict[str, str] = {"": ""}  # from a name as it was sent to one spelling of it


def _learn(sent: str) -> str:
    lower = sent.lower()
    name = _SPELLED.get(lower, lower)
    if len(_names) < MAX_NAMES:
        _names[sent] = name
    return name


class Head(Struct, gc=False):
    """A plain head. `end` is where its body begins; `drop_id` is there for a hot call only.

    `headers` has those that `_SPELLED` knows by that spelling, the others in lower case.
    """

    headers: dict[str, str]
    end: int
    length: int  # of the body
    drop_id: str | None


def read_head(data: bytes, at: int, max_bytes: int) -> Head | None:
    """The head that begins at `at`; None when it is not whole, not plain, or longer than that.

    One with many lines is not plain either: aiohttp bounds their number.
    """
    found = _plain_head(data, at, at + max_bytes)
    if found is None:
        return None
    drop_id, method, block = found.groups()
    lines = block.decode("ascii").split("\r\n")
    headers: dict[str, str] = {}
    known = _names.get
    for line in lines:
        name, _, value = line.partition(": ")
        headers[known(name) or _learn(name)] = value
    # The block begins with a line's end, so the first line is empty: one more, as it should be.
    count = len(lines)
    if len(headers) != count or count > MAX_LINES or _ODD in headers or "Host" not in headers:
        return None
    if "Connection" in headers and headers["Connection"] not in _KEEP_ALIVE:
        return None
    length = 0
    digits = headers.get("Content-Length")
    if digits is not None:
        if not digits.isdigit() or len(digits) > 9 or (digits[0] == "0" and digits != "0"):
            return None
        length = int(digits)
    if method == b"CONNECT":
        return None
    return Head(headers, found.end(), length, drop_id.decode("ascii") if drop_id else None)
