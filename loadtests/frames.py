"""WebSocket frames as a client of this service reads and writes them. No I/O."""

from collections.abc import Iterator

TEXT, CLOSE, PING = 0x1, 0x8, 0x9
PONG = b"\x8a\x80\x00\x00\x00\x00"  # empty, masked with zeros


def split(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """The complete frames at the start of `data`: opcode, content, offset of the next frame."""
    at = 0
    while len(data) - at >= 2:
        size, head = data[at + 1], at + 2
        if size >= 126:
            width = 2 if size == 126 else 8
            size, head = int.from_bytes(data[head : head + width]), head + width
        if len(data) < head + size:
            return
        yield data[at] & 0x0F, data[head : head + size], head + size
        at = head + size


def text_frame(content: bytes) -> bytes:
    """A frame of a client: masked with zeros."""
    size = len(content)
    if size < 126:
        head = bytes((0x80 | TEXT, 0x80 | size))
    else:
        head = bytes((0x80 | TEXT, 0x80 | 126)) + size.to_bytes(2)
    return head + b"\0\0\0\0" + content


def handshake(authority: str, path: str, token: str = "") -> bytes:
    """The upgrade request of a WebSocket."""
    who = f"Authorization: Bearer {token}\r\n" if token else ""
    return (
        f"GET {path} HTTP/1.1\r\nHost: {authority}\r\n{who}"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: bGl2ZXNhbGUtdmlld2Vycw==\r\n\r\n"
    ).encode()
