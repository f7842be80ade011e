"""The lifecycle of a room: its states, and the heartbeat that keeps it live.

Every change of a room's state is a call of `RoomLifecycle.act`: by hosts and operators over HTTP,
by hooks of media servers, and by the keeper. Repeating a step changes nothing.
"""

from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.action_log.record import note_change
from livesale.database.session import session
from livesale.resources import Deployment
from livesale.rooms import store
from livesale.rooms.copy import RoomCopy
from livesale.rooms.events import RoomChanged
from livesale.rooms.service import room_over
from livesale.rooms.states import MOVES, OVER, RoomState, Verb
from livesale.rooms.store import Room
from livesale.rooms.views import view_of_room
from livesale.validation.refusals import RoomRefused, Unknown

# Steps of people who run the room: they count as a heartbeat.
_HEARD = (Verb.START, Verb.PAUSE, Verb.RESUME, Verb.UNBAN)

log = structlog.get_logger(__name__)


class RoomLifecycle:
    """One per process. All raise StoreUnavailable, the faults of stock.errors, Unknown."""

    def __init__(self, deployment: Deployment, copy: RoomCopy) -> None:
        self._sql = deployment.sql
        self._engine = deployment.engine
        self._copy = copy

    async def act(self, room_id: str, verb: Verb) -> Room:
        """Take one step; returns the room after it.

        Raises RoomRefused: room_over, or room_state if the present state does not allow it.
        """
        if verb in _HEARD:
            await self._check(room_id, verb)
            await self.hear(room_id)  # before the change: its last heartbeat may be old
        now_ms = await self._engine.now_ms()
        async with session(self._sql, write=True) as connection:
            room = await self.step(connection, room_id, verb, now_ms)
        await self.tell(room)
        return room

    async def step(
        self, connection: AsyncConnection, room_id: str, verb: Verb, now_ms: int
    ) -> Room:
        """The SQL part of `act`, in the caller's transaction. Call `tell` after it."""
        before, after = MOVES[verb]
        values: dict[str, Any] = {}
        was = await store.lock_room(connection, room_id)
        if after in OVER:
            values = {"ended_ms": now_ms, "pinned": None, "pinned_ms": None}
        elif after == RoomState.ABNORMAL:
            values = {"was_paused": verb is Verb.MISS_PAUSED}
        moved = await store.move_room(connection, room_id, before, after, now_ms, **values)
        if moved and after == RoomState.LIVE:
            await store.note_start(connection, room_id, now_ms)
        elif moved and after in OVER:
            await store.end_marks(connection, room_id, now_ms)
        room = await store.find_room(connection, room_id)
        if room is None:
            raise Unknown("unknown_room")
        if not moved:
            check_move(room, verb)
        if moved and was is not None:
            note_change(view_of_room(was), view_of_room(room))
            log.info("a room changed its state", room_id=room_id, verb=verb, state=after)
        return room

    async def _check(self, room_id: str, verb: Verb) -> None:
        """Refuse an invalid step before it counts as a heartbeat."""
        async with session(self._sql) as connection:
            room = await store.find_room(connection, room_id)
        if room is None:
            raise Unknown("unknown_room")
        check_move(room, verb)

    async def tell(self, room: Room) -> None:
        """Send viewers the new state of the room."""
        await self._copy.publish(room, RoomChanged(room=view_of_room(room)))

    async def beat(self, room: Room) -> Room:
        """A heartbeat of the host. It returns an abnormal room to its former state."""
        if room.state in OVER:
            raise room_over()
        await self.hear(room.room_id)
        if room.state == RoomState.ABNORMAL:
            return await self.act(room.room_id, verb_back(room))
        return room

    async def hear(self, room_id: str) -> None:
        """Count a heartbeat."""
        if not await self._copy.gateway.beat(room_id):
            await self._copy.revive(room_id)  # the step counts as a heartbeat


def check_move(room: Room, verb: Verb) -> None:
    """Raises RoomRefused (room_over, room_state) unless the step is allowed, or was done before."""
    before, after = MOVES[verb]
    if room.state == after or room.state in before:
        return
    if room.state in OVER:
        raise room_over()
    raise RoomRefused("room_state", f"The room is {room.state}.")


def verb_back(room: Room) -> Verb:
    """The step of an abnormal room whose host has returned."""
    return Verb.RETURN_PAUSED if room.was_paused else Verb.RETURN
