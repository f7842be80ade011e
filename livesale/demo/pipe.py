"""Messages on a pipe: frames of msgpack, each behind its length in four bytes."""

import asyncio
from typing import TypeVar

import msgspec
from msgspec import Struct

MAX_FRAME_BYTES = 256 * 1024 * 1024

T = TypeVar("T")


def frame(message: Struct) -> bytes:
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(4, "big") + body


async def read_frame(reader: asyncio.StreamReader, kind: type[T]) -> T | None:
    """The next message, or None at the end of the pipe."""
    try:
        size = int.from_bytes(await reader.readexactly(4), "big")
        if size > MAX_FRAME_BYTES:
            raise ValueError(f"a frame of {size} bytes")
        return msgspec.msgpack.decode(await reader.readexactly(size), type=kind)
    except (asyncio.IncompleteReadError, ConnectionResetError):
        return None
