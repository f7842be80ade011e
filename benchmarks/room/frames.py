"""What a viewer reads: the frames of a server, and what the messages in them say. No I/O."""

import re
from collections.abc import Iterator

import msgspec
from msgspec import Struct

CLOSE, PING = 0x8, 0x9
PONG = b"\x8a\x80\x00\x00\x00\x00"  # masked with zeros, and empty

_EVENT = re.compile(rb'\{"offset":(\d+),"type":"([^"]+)","at_ms":(\d+)')


class Told(Struct, frozen=True):
    """A numbered event."""

    offset: int
    kind: str
    at_ms: int


class Greeting(Struct, frozen=True, tag_field="type", tag="hello"):
    epoch: str
    offset: int
    resumed: bool


class Image(Struct, frozen=True, tag_field="type", tag="snapshot"):
    epoch: str
    offset: int


class Closed(Struct, frozen=True):
    code: int


class Pinged(Struct, frozen=True):
    pass


Message = Told | Greeting | Image | Closed | Pinged
_other = msgspec.json.Decoder(Greeting | Image)


def split(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """The whole frames at the head of `data`: opcode, content, and where the next one begins."""
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


def read(opcode: int, content: bytes) -> Message:
    """Raises msgspec.DecodeError for what this service does not send."""
    if opcode == CLOSE:
        return Closed(int.from_bytes(content[:2]))
    if opcode == PING:
        return Pinged()
    event = _EVENT.match(content)
    if event is not None:
        return Told(int(event[1]), event[2].decode(), int(event[3]))
    other: Greeting | Image = _other.decode(content)
    return other


def handshake(host: str, room_id: str, epoch: str, after: int) -> bytes:
    """The request of a viewer who was here before, if there is an epoch."""
    place = f"?epoch={epoch}&after={after}" if epoch else ""
    return (
        f"GET /v1/rooms/{room_id}/socket{place} HTTP/1.1\r\nHost: {host}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: bGl2ZXNhbGUtdmlld2Vycw==\r\n\r\n"
    ).encode()
