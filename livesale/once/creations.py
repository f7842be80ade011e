"""A key counts once: what it has made is found again, also by a second request at the same time."""

import hashlib

import msgspec
from msgspec import Struct
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.database.engine import now_ms
from livesale.once.tables import creations
from livesale.validation.refusals import KeyConflict

_encoder = msgspec.json.Encoder(order="deterministic")


class Made(Exception):
    """The key has made this before: nothing is made now."""

    def __init__(self, object_id: str) -> None:
        super().__init__(object_id)
        self.object_id = object_id


class Once(Struct, frozen=True):
    """One intention to make something: by whom and which key, and what exactly."""

    key: str
    asked: str

    @classmethod
    def of(cls, kind: str, maker: str, key: str | None, asked: object) -> "Once | None":
        """None without a key. Two makers who both say "1" mean two things."""
        if key is None:
            return None
        return cls(_hash(f"{kind}\n{maker}\n{key}".encode()), _hash(_encoder.encode(asked)))


async def claim(connection: AsyncConnection, once: Once | None, object_id: str) -> None:
    """Note in the transaction that makes `object_id` that this key makes it: before other writes.

    A second request waits here for the first one's transaction. Raises Made or KeyConflict.
    """
    if once is None:
        return
    row = {
        "creation_key": once.key,
        "asked": once.asked,
        "object_id": object_id,
        "at_ms": now_ms(),
    }
    try:
        async with connection.begin_nested():
            await connection.execute(insert(creations), row)
    except IntegrityError:
        await recall(connection, once)
        raise


async def recall(connection: AsyncConnection, once: Once | None) -> None:
    """Look, before the checks that a repeat would not pass, what this key has made: without it
    nothing happens. Raises Made or KeyConflict."""
    if once is None:
        return
    columns = creations.c
    query = select(columns.asked, columns.object_id).where(columns.creation_key == once.key)
    found = (await connection.execute(query)).first()
    if found is None:
        return
    if found.asked != once.asked:
        raise KeyConflict("The key was used to make something else.") from None
    raise Made(found.object_id) from None


def _hash(text: bytes) -> str:
    return hashlib.blake2b(text, digest_size=16).hexdigest()
