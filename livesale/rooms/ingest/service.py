"""Publish keys of rooms: hosts get them, media servers check them."""

from typing import Annotated

from msgspec import Meta, Struct

from livesale.resources import Deployment
from livesale.rooms.ingest.publish_keys import PublishKey, PublishKeys
from livesale.rooms.ingest.store import Stream
from livesale.rooms.ingest.streams import Streams, check_on_air
from livesale.rooms.service import Rooms, room_over
from livesale.rooms.states import OVER
from livesale.validation.refusals import RoomRefused


class Publishing(Struct, frozen=True):
    """Where to send the stream of a room. `url` is `server`, a slash and `stream_key`: programs
    ask either for the URL or for the two parts."""

    room_id: str
    url: str
    server: str
    stream_key: Annotated[
        str, Meta(description="secret: anybody who has it can send the room's stream")
    ]
    expires_ms: Annotated[
        int, Meta(description="no new stream after this; a running one continues")
    ]
    on_air_ms: Annotated[int | None, Meta(description="start of the current stream; null: none")]
    silent: Annotated[bool, Meta(description="no hook has arrived for a while")]


class Ingest:
    """One per process. All raise StoreUnavailable, the faults of stock.errors, Unknown."""

    def __init__(
        self, deployment: Deployment, keys: PublishKeys, streams: Streams, rooms: Rooms
    ) -> None:
        self._engine = deployment.engine
        self._server = deployment.settings.ingest.push_url
        self._key_ms = deployment.settings.ingest.key_s * 1000
        self._keys = keys
        self._rooms = rooms
        self.streams = streams

    async def publish(self, room_id: str, key: str, session: str) -> None:
        """Check whether a stream may begin. Raises the same as `Streams.publish`."""
        await self.streams.publish(room_id, self._keys.read(room_id, key), session)

    async def play(self, room_id: str) -> None:
        """Check whether a viewer may watch. Raises RoomRefused (room_over, room_state)."""
        check_on_air(await self._rooms.shown(room_id))

    async def invite(self, room_id: str) -> Publishing:
        """Make a key for the host. Raises RoomRefused (room_over, ingest_off)."""
        if (await self._rooms.find(room_id)).state in OVER:
            raise room_over()
        return await self._publishing(await self.streams.find(room_id))

    async def renew(self, room_id: str) -> Publishing:
        """Make a key for the host; ends all earlier keys and the stream. Raises RoomRefused
        (room_over, ingest_off)."""
        self._check_on()
        return await self._publishing(await self.streams.renew(room_id))

    async def _publishing(self, stream: Stream) -> Publishing:
        self._check_on()
        expires_ms = await self._engine.now_ms() + self._key_ms
        key = self._keys.sign(stream.room_id, PublishKey(stream.key_number, expires_ms))
        stream_key = f"{stream.room_id}?key={key}"
        return Publishing(
            room_id=stream.room_id,
            url=f"{self._server}/{stream_key}",
            server=self._server,
            stream_key=stream_key,
            expires_ms=expires_ms,
            on_air_ms=stream.began_ms,
            silent=stream.silent,
        )

    def _check_on(self) -> None:
        if not self._server:
            raise RoomRefused("ingest_off", "The settings name no media server.")
