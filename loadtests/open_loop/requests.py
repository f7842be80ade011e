"""The bytes of each request. Each reservation has a buyer and key of its own while tokens last."""

from collections.abc import Callable, Sequence

Requests = Callable[[int], bytes]

_BODY = b'{"quantity":1}'


def gets(authority: str, path: str) -> Requests:
    """The same GET every time."""
    request = f"GET {path} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode()
    return lambda number: request


def reservations(authority: str, drop_id: str, tokens: Sequence[str], salt: str) -> Requests:
    """One unit for the next buyer. `salt` makes the keys of a run unique."""
    head = (
        f"POST /v1/drops/{drop_id}/reservations HTTP/1.1\r\nHost: {authority}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(_BODY)}\r\n"
        "Authorization: Bearer "
    ).encode()
    key, tail = f"\r\nIdempotency-Key: {salt}-".encode(), b"\r\n\r\n" + _BODY
    buyers = [token.encode() for token in tokens]
    count = len(buyers)

    def request(number: int) -> bytes:
        return b"".join((head, buyers[number % count], key, b"%d" % number, tail))

    return request
