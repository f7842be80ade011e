"""How many watch each of some rooms, as the rooms were told last."""

import asyncio
from collections.abc import Sequence

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from livesale.rooms.keys import RoomKeys
from livesale.rooms.people.events import PeopleView

WAIT_S = 0.5  # the list comes from SQL: it does not wait for a Redis that hangs

_decode = msgspec.json.Decoder(PeopleView).decode


async def viewers_of(redis: Redis, room_ids: Sequence[str]) -> dict[str, int | None]:
    """Viewers now, by room; None while Redis does not answer. At most `live.people_ms` old."""
    found = await people_of(redis, room_ids)
    return {room_id: people.online if people else None for room_id, people in found.items()}


async def people_of(redis: Redis, room_ids: Sequence[str]) -> dict[str, PeopleView | None]:
    """Viewers and likes now, by room; None while Redis does not answer.

    Plain commands in one pipeline: a list of rooms must not cost a script for each.
    """
    if not room_ids:
        return {}
    try:
        async with redis.pipeline(transaction=False) as together:
            for room_id in room_ids:
                together.hmget(RoomKeys.of(room_id).room_key, ["told_people"])
            async with asyncio.timeout(WAIT_S):
                found = await together.execute(raise_on_error=False)
    except (RedisError, OSError):  # a timeout is one of these
        return dict.fromkeys(room_ids)
    return {room_id: _people(row) for room_id, row in zip(room_ids, found, strict=True)}


def _people(row: object) -> PeopleView | None:
    if not isinstance(row, list):
        return None  # a fault of this key
    text = row[0]
    if text is None:
        return PeopleView(0, 0, 0)  # nobody has come yet
    try:
        return _decode(f"{{{text[1:]}")  # the previous release: without the first brace
    except msgspec.MsgspecError:
        return None
