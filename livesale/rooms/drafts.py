"""Rooms that never began: an operator deletes them, with all that was prepared in them."""

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.action_log.record import note_change
from livesale.database.session import session
from livesale.resources import Deployment
from livesale.rooms import store
from livesale.rooms.ingest.tables import room_streams
from livesale.rooms.lifecycle import RoomLifecycle
from livesale.rooms.numbers.tables import room_minutes, room_records, room_tallies
from livesale.rooms.people.tables import room_bars
from livesale.rooms.states import OVER, RoomState, Verb
from livesale.rooms.store import Room
from livesale.rooms.tables import room_items, room_marks, room_members, room_seats, rooms
from livesale.rooms.views import view_of_room
from livesale.validation.refusals import RoomRefused, Unknown, VersionConflict
from livesale.validation.uses import Uses

# What goes with its room.
_OWN = (
    *(room_items, room_marks, room_members, room_seats, room_bars, room_streams),
    *(room_tallies, room_minutes, room_records),
)


class RoomDrafts:
    """All raise StoreUnavailable, the faults of stock.errors, and Unknown."""

    def __init__(self, deployment: Deployment, lifecycle: RoomLifecycle, uses: Uses) -> None:
        self._sql = deployment.sql
        self._engine = deployment.engine
        self._lifecycle = lifecycle
        self._uses = uses

    async def remove(self, room_id: str, version: int | None = None) -> None:
        """Delete a room that never began. Who waits in it is told that it is over.

        It expires first: that ends the copy in Redis, and nothing new can hang on it. A crash in
        between leaves an expired room, which the same request deletes.
        Raises VersionConflict, InUse, or RoomRefused (room_state) for a room that began.
        """
        now_ms = await self._engine.now_ms()
        async with session(self._sql, write=True) as connection:
            room = await self._lock(connection, room_id)
            if version is not None and version != room.version:
                raise VersionConflict("room", room.version)
            if room.state == RoomState.SCHEDULED:
                room = await self._lifecycle.step(connection, room_id, Verb.EXPIRE, now_ms)
        await self._lifecycle.tell(room)
        async with session(self._sql, write=True) as connection:
            room = await self._lock(connection, room_id)
            for table in _OWN:
                await connection.execute(delete(table).where(table.c.room_id == room_id))
            await connection.execute(delete(rooms).where(rooms.c.room_id == room_id))
            note_change(view_of_room(room), None)

    async def _lock(self, connection: AsyncConnection, room_id: str) -> Room:
        """The room, locked, if it may be deleted."""
        room = await store.lock_room(connection, room_id)
        if room is None:
            raise Unknown("unknown_room")
        if room.started_ms is not None or room.state not in (RoomState.SCHEDULED, *OVER):
            raise RoomRefused("room_state", f"The room has begun: it is {room.state}.")
        await self._uses.check(connection, "room", room_id)
        return room
