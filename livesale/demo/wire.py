"""What the demo and its crowd processes tell each other: frames of msgpack on a pipe."""

import asyncio
from typing import TypeVar

import msgspec
from msgspec import Struct

from livesale.demo.plan import Buyer

MAX_FRAME_BYTES = 256 * 1024 * 1024

T = TypeVar("T")


class Job(Struct, array_like=True):
    """What a crowd process is to play. Times are milliseconds since 1970, seconds from there."""

    host: str
    port: int
    drop_id: str
    opens_ms: int
    last_s: float  # after the opening: then nobody tries any more
    connections: int
    seed: int
    buyers: list[Buyer]


class Word(Struct, array_like=True):
    """Something the whole crowd hears: nothing is left and nothing can come back."""

    all_sold: bool = False


class Ack(Struct, array_like=True, frozen=True):
    """An answer 201, as its buyer wrote it down. `reserved_ms` is by Redis's clock."""

    rid: str
    buyer_id: str
    quantity: int
    amount_fen: int
    reserved_ms: int


class Unknown(Struct, array_like=True, frozen=True):
    """A request whose outcome its buyer never learned; the rid where a key tells it."""

    buyer_id: str
    quantity: int
    rid: str = ""


class Bill(Struct, array_like=True, frozen=True):
    """A buyer pays."""

    rid: str
    amount_fen: int


class Report(Struct, array_like=True):
    """What happened in a crowd process since its last report."""

    answers: dict[str, int]
    latencies_us: list[int]
    acks: list[Ack]
    bills: list[Bill]
    unknowns: list[Unknown]
    oddities: list[str]  # answers that contradict each other
    empty_handed: int = 0  # patient buyers who left without anything
    here: int = 0  # buyers who still wait, try, or are about to pay
    over: bool = False


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
