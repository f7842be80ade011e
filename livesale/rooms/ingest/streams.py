"""The stream of a room, as media servers report it.

When a stream begins, the room goes live; when it ends, the room pauses. Each stream is a session,
named by the media server; a room has one at a time. Hooks come late, twice and out of order: a hook
of any other session changes nothing, and an ended session cannot begin again. The session and the
room's state change in one transaction. A session without hooks becomes silent: the room pauses, and
another session may begin. If a hook arrives before that, the silent session continues.
"""

import structlog
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.action_log.record import note_change
from livesale.database.errors import StoreUnavailable
from livesale.database.session import session
from livesale.resources import Deployment
from livesale.rooms import store as rooms_store
from livesale.rooms.ingest import store
from livesale.rooms.ingest.publish_keys import PublishKey
from livesale.rooms.ingest.store import Stream
from livesale.rooms.lifecycle import RoomLifecycle
from livesale.rooms.service import room_over
from livesale.rooms.states import OVER, RoomState, Verb
from livesale.rooms.store import Room
from livesale.tokens.errors import PublishKeyInvalid
from livesale.validation.refusals import RoomRefused, Unknown
from stock.errors import StockError

MAX_SESSION = 160  # characters of a session's name
AT_ONCE = 500  # silent streams in one page

# Steps that make a room live, and steps that pause or end it.
_TO_LIVE = {
    RoomState.SCHEDULED: Verb.START,
    RoomState.PAUSED: Verb.RESUME,
    RoomState.ABNORMAL: Verb.RETURN,
}
_FROM_LIVE = {RoomState.LIVE: Verb.PAUSE, RoomState.ABNORMAL: Verb.PAUSE}

log = structlog.get_logger(__name__)


class Streams:
    """All raise StoreUnavailable, the faults of stock.errors, Unknown("unknown_room")."""

    def __init__(self, deployment: Deployment, lifecycle: RoomLifecycle) -> None:
        self._sql = deployment.sql
        self._engine = deployment.engine
        self._silence_ms = deployment.settings.ingest.silence_ms
        self._lifecycle = lifecycle

    async def publish(self, room_id: str, key: PublishKey, name: str) -> None:
        """Begin a session. Raises PublishKeyInvalid, or RoomRefused: room_over, room_state,
        stream_taken, stream_ended."""
        now_ms = await self._engine.now_ms()
        async with session(self._sql) as connection:
            room = await rooms_store.find_room(connection, room_id)
            stream = await store.find_stream(connection, room_id)
        self._admit(room, stream, key, name, now_ms)
        await self._lifecycle.hear(room_id)  # before it goes live: its last heartbeat may be old
        async with session(self._sql, write=True) as connection:
            room = await rooms_store.lock_room(connection, room_id)
            stream = await store.find_stream(connection, room_id)
            room = self._admit(room, stream, key, name, now_ms)
            if stream.session == name and not stream.silent:
                return  # a repeated hook
            began = replace(stream, session=name, began_ms=now_ms, seen_ms=now_ms, silent=False)
            await store.save_stream(connection, began)
            moved = await self._move(connection, room, _TO_LIVE, now_ms)
        log.info("a stream began", room_id=room_id, session=name, took_over=stream.session)
        await self._tell(moved)

    async def update(self, room_id: str, name: str) -> None:
        """Continue a session, which counts as a heartbeat. Raises RoomRefused if it must end."""
        now_ms = await self._engine.now_ms()
        async with session(self._sql, write=True) as connection:
            room = check_on_air(await rooms_store.find_room(connection, room_id))
            stream = await store.find_stream(connection, room_id)
            if stream.session != name:
                raise _ended()
            await store.see_stream(connection, room_id, name, now_ms)
        if stream.silent:
            await self._revive(room_id, name, now_ms)
        await self._lifecycle.beat(room)

    async def done(self, room_id: str, name: str) -> None:
        """End a session."""
        now_ms = await self._engine.now_ms()
        async with session(self._sql, write=True) as connection:
            room = await rooms_store.lock_room(connection, room_id)
            if room is None:
                raise Unknown("unknown_room")
            stream = await store.find_stream(connection, room_id)
            if stream.session == name:
                moved = await self._end(connection, room, stream, now_ms)
            else:  # its first hook may arrive later
                told = replace(stream, last_session=name, last_ms=now_ms)
                await store.save_stream(connection, told)
                moved = None
        await self._tell(moved)

    async def find(self, room_id: str) -> Stream:
        async with session(self._sql) as connection:
            return await store.find_stream(connection, room_id)

    async def renew(self, room_id: str) -> Stream:
        """End all keys of the room, and its stream. Raises RoomRefused (room_over)."""
        now_ms = await self._engine.now_ms()
        async with session(self._sql, write=True) as connection:
            room = await rooms_store.lock_room(connection, room_id)
            if room is None:
                raise Unknown("unknown_room")
            if room.state in OVER:
                raise room_over()
            stream = await store.find_stream(connection, room_id)
            before = {"key_number": stream.key_number}
            stream = replace(stream, key_number=stream.key_number + 1)
            note_change(before, {"key_number": stream.key_number})
            moved = await self._end(connection, room, stream, now_ms)
            stream = await store.find_stream(connection, room_id)
        await self._tell(moved)
        return stream

    async def look(self, now_ms: int) -> None:
        """Pause rooms whose stream is silent at `now_ms`, by Redis's clock."""
        async with session(self._sql) as connection:
            unheard = await store.unheard_streams(connection, now_ms - self._silence_ms, AT_ONCE)
        for found in unheard:
            async with session(self._sql, write=True) as connection:
                room = await rooms_store.lock_room(connection, found.room_id)
                stream = await store.find_stream(connection, found.room_id)
                if room is None or stream != found:
                    continue  # a hook has arrived meanwhile
                await store.save_stream(connection, replace(stream, silent=True))
                moved = await self._move(connection, room, _FROM_LIVE, now_ms)
            log.warning("a stream is silent", room_id=found.room_id, session=found.session)
            await self._tell(moved)

    def _admit(
        self, room: Room | None, stream: Stream, key: PublishKey, name: str, now_ms: int
    ) -> Room:
        room = check_on_air(room)
        if key.number != stream.key_number:
            raise PublishKeyInvalid("a newer key has ended it")
        if key.expires_ms <= now_ms:
            raise PublishKeyInvalid("it has ended")
        if stream.last_session == name and not self._is_silent(stream.last_ms, now_ms):
            raise _ended()
        taken = stream.session not in (None, name)
        if taken and not self._is_silent(stream.seen_ms, now_ms):
            raise RoomRefused("stream_taken", "Another stream of this room is active.")
        return room

    def _is_silent(self, seen_ms: int | None, now_ms: int) -> bool:
        return seen_ms is None or now_ms - seen_ms > self._silence_ms

    async def _revive(self, room_id: str, name: str, now_ms: int) -> None:
        async with session(self._sql, write=True) as connection:
            room = await rooms_store.lock_room(connection, room_id)
            stream = await store.find_stream(connection, room_id)
            if room is None or stream.session != name or not stream.silent:
                return
            await store.save_stream(connection, replace(stream, silent=False, seen_ms=now_ms))
            moved = await self._move(connection, room, _TO_LIVE, now_ms)
        await self._tell(moved)

    async def _end(
        self, connection: AsyncConnection, room: Room, stream: Stream, now_ms: int
    ) -> Room | None:
        """End the session, if there is one; returns the room if its state changed."""
        if stream.session is None:
            await store.save_stream(connection, stream)
            return None
        over = Stream(
            stream.room_id, stream.key_number, last_session=stream.session, last_ms=now_ms
        )
        await store.save_stream(connection, over)
        log.info("a stream ended", room_id=stream.room_id, session=stream.session)
        return await self._move(connection, room, _FROM_LIVE, now_ms)

    async def _move(
        self,
        connection: AsyncConnection,
        room: Room,
        verbs: dict[RoomState, Verb],
        now_ms: int,
    ) -> Room | None:
        verb = verbs.get(RoomState(room.state))
        return await self._lifecycle.step(connection, room.room_id, verb, now_ms) if verb else None

    async def _tell(self, room: Room | None) -> None:
        """Tell viewers. SQL already has the change: if this fails, the keeper does it soon."""
        if room is None:
            return
        try:
            await self._lifecycle.tell(room)
        except (StockError, StoreUnavailable) as fault:
            log.warning(
                "a room will be informed later", room_id=room.room_id, reason=type(fault).__name__
            )


def check_on_air(room: Room | None) -> Room:
    """The room, if it may have a stream."""
    if room is None:
        raise Unknown("unknown_room")
    if room.state in OVER:
        raise room_over()
    if room.state == RoomState.BANNED:
        raise RoomRefused("room_state", "The room is banned.")
    return room


def _ended() -> RoomRefused:
    return RoomRefused("stream_ended", "This stream has ended, or another has replaced it.")
