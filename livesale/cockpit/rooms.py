"""Figures of rooms: who watches, and how the stream is."""

import asyncio
from collections.abc import Mapping
from typing import Any

from livesale.cockpit import store
from livesale.cockpit.figures import RoomFigure, RoomFigures
from livesale.database.session import session
from livesale.errors import LivesaleError
from livesale.resources import Deployment
from livesale.rooms import store as rooms
from livesale.rooms.people.events import PeopleView
from livesale.rooms.people.presence import Presence
from livesale.rooms.states import ON_AIR, RoomState
from livesale.rooms.store import Room
from stock.errors import StockError

SHOWN = 50
_STATES = (*ON_AIR, RoomState.BANNED)


class RoomBoard:
    """One per worker. Counts of people are at most a second old."""

    def __init__(self, deployment: Deployment, presence: Presence) -> None:
        self._sql = deployment.sql
        self._presence = presence

    async def take(self) -> RoomFigures:
        """Raises StoreUnavailable."""
        async with session(self._sql) as connection:
            found = await rooms.list_rooms(connection, states=_STATES, before="", limit=SHOWN)
            ids = [room.room_id for room in found]
            streams = await store.streams_of(connection, ids) if ids else {}
            counted = await rooms.count_rooms(connection, _STATES) if len(ids) == SHOWN else {}
        people = await asyncio.gather(*map(self._people, ids))
        shown = [_figure(room, of, streams) for room, of in zip(found, people, strict=True)]
        return RoomFigures(rooms=shown, more=max(0, sum(counted.values()) - len(shown)))

    async def _people(self, room_id: str) -> PeopleView | None:
        try:
            return await self._presence.people(room_id)
        except (LivesaleError, StockError):  # this room's counts are not known now
            return None


def _figure(room: Room, people: PeopleView | None, streams: Mapping[str, Any]) -> RoomFigure:
    stream = streams.get(room.room_id)
    if stream is not None and stream.session is None:
        stream = None
    return RoomFigure(
        room_id=room.room_id,
        title=room.title,
        state=room.state,
        online=people.online if people else None,
        peak=people.peak if people else None,
        likes=people.likes if people else None,
        stream="none" if stream is None else "silent" if stream.silent else "active",
        stream_seen_ms=None if stream is None else stream.seen_ms,
    )
