"""Recognises the head of a request about whose form and length nobody can disagree.

This is no parser. One regular expression says what is plain: HTTP/1.1, lines that end in CR LF,
names of token characters, a colon and one blank, values of visible ASCII without blanks at their
ends. On top of that no header is there twice, one Host is, and nothing but a Content-Length in
plain digits says how long the body is. Every server reads such bytes alike, so where one of these
requests ends is beyond dispute. All else is somebody else's to read: `read_head` says None.
"""

import re
from collections.abc import Sequence

from msgspec import Struct

MAX_LINES = 60
MAX_NAMES = 1_000  # spellings of header names that are remembered

_plain_head = re.compile(
    rb"([A-Z]{1,20}+) ([!-~]++) HTTP/1\.1"
    rb"((?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]++: [!-~]++(?: ++[!-~]++)*+)++)\r\n\r\n"
).match
_HOT_METHOD, _HOT_PATH, _HOT_END = b"POST", b"/v1/drops/", b"/reservations"

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


class _Names(dict[str, str]):
    """From a header's name as it was sent to one spelling of it."""

    def __missing__(self, sent: str) -> str:
        lower = sent.lower()
        name = _SPELLED.get(lower, lower)
        if len(self) < MAX_NAMES:
            self[sent] = name
        return name


_names = _Names()


class PlainHeaders(dict[str, str]):
    """The headers of a plain head, each there once; asked like those of aiohttp.

    Those that `_SPELLED` knows by that spelling, the others in lower case.
    """

    def getall(self, name: str, default: Sequence[str] = ()) -> Sequence[str]:
        value = self.get(name)
        return default if value is None else (value,)


class Head(Struct, gc=False):
    """A plain head. `end` is where its body begins; `drop_id` is there for a hot call only."""

    headers: PlainHeaders
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
    method, target, block = found.groups()
    lines = block.decode("ascii").split("\r\n")
    headers = PlainHeaders()
    names = _names
    for line in lines:
        name, _, value = line.partition(": ")
        headers[names[name]] = value
    # The block begins with a line's end, so the first line is empty: one more, as it should be.
    count = len(lines)
    if len(headers) != count or count > MAX_LINES or _ODD in headers or "Host" not in headers:
        return None
    if method == b"CONNECT" or headers.get("Connection", "keep-alive") not in _KEEP_ALIVE:
        return None
    length = 0
    digits = headers.get("Content-Length")
    if digits is not None:
        if not digits.isdigit() or len(digits) > 9 or (digits[0] == "0" and digits != "0"):
            return None
        length = int(digits)
    drop_id = None
    if method == _HOT_METHOD and target.startswith(_HOT_PATH) and target.endswith(_HOT_END):
        name = target[len(_HOT_PATH) : -len(_HOT_END)].decode("ascii")
        drop_id = name if name.isalnum() else None
    return Head(headers, found.end(), length, drop_id)
