"""All channels of one worker: created on demand, removed after a while without use.

One connection of sharded pub/sub carries them all, with one subscription for each room. Whenever a
subscription begins, also after a lost connection, the channel catches up from the history. It also
checks every few seconds, because messages can get lost silently.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from redis.asyncio.client import PubSub

from livesale.resources import Deployment
from livesale.rooms.channel.channel import Channel
from livesale.rooms.copy import RoomCopy
from livesale.rooms.keys import RoomKeys, room_of_channel
from livesale.tasks import Tasks, Works, note_fault
from stock.connection import connect, next_message
from stock.errors import Unreachable

OPEN_S = 5.0  # timeout for a new channel
CHECK_S = 5.0
LISTEN_AGAIN_S = 1.0  # the longest wait before we reconnect to Redis
IDLE_S = 30.0  # remove a channel after this time without use

CONNECTIONS = 1  # shared by all rooms of a worker


class Channels:
    """One per worker, inside `running`."""

    def __init__(
        self,
        deployment: Deployment,
        copy: RoomCopy,
        frame: Callable[[bytes], bytes],
        on_round: Callable[[int, float], None],
        on_ban: Callable[[str], None],
    ) -> None:
        self._deployment = deployment
        self._copy = copy
        self._frame = frame
        self._on_round = on_round
        self._on_ban = on_ban
        self._channels: dict[str, Channel] = {}
        self._healing: dict[str, asyncio.Task[None]] = {}
        self._pubsub: PubSub | None = None
        self._changing = asyncio.Lock()  # one change of subscriptions at a time
        self._wanted = asyncio.Event()
        self._tasks = Tasks()

    async def open(self, room_id: str) -> Channel:
        """The channel of an existing room, ready and subscribed. Raises Unreachable."""
        channel = self._channels.get(room_id)
        if channel is None:
            channel = Channel(
                room_id,
                self._copy,
                self._deployment.settings.live,
                self._frame,
                self._on_round,
                self._on_ban,
            )
            self._channels[room_id] = channel
            self._wanted.set()
            self._tasks.errand("rooms: subscribe", self._match(room_id), about=room_id)
        if not channel.known:
            try:
                async with asyncio.timeout(OPEN_S):
                    await channel.ready.wait()
            except TimeoutError:
                raise Unreachable("the room's events are not available now") from None
        channel.idle_since = asyncio.get_running_loop().time()  # a caller is about to use it
        return channel

    @property
    def listeners(self) -> int:
        return sum(channel.listeners for channel in self._channels.values())

    def release(self) -> None:
        """End all waits for events, because this worker is about to stop."""
        for channel in self._channels.values():
            channel.release()

    def viewers(self) -> dict[str, int]:
        """The number of listeners of each room in this worker."""
        return {room_id: channel.listeners for room_id, channel in self._channels.items()}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listens to Redis until the end of the block."""
        self._tasks.keep("rooms: listen", self._listen, longest_s=LISTEN_AGAIN_S)
        self._tasks.repeat("rooms: check", self._check, after_s=CHECK_S)
        try:
            yield
        finally:
            await self._tasks.close()
            for channel in self._channels.values():
                await channel.close()

    async def _match(self, room_id: str) -> None:
        """Subscribe to a room that has a channel here, else unsubscribe. Raises RedisError.

        Checks for the channel under the lock, because a viewer may come while it is being removed.
        """
        async with self._changing:
            if self._pubsub is None:
                return  # the reader subscribes to all rooms when it connects
            name = RoomKeys.of(room_id).channel_key
            if room_id in self._channels:
                await self._pubsub.ssubscribe(name)
            else:
                await self._pubsub.sunsubscribe(name)

    async def _listen(self, works: Works) -> None:
        """Raises RedisError; then we subscribe to all rooms again."""
        settings = self._deployment.settings.redis
        if not self._channels:
            works()
            self._wanted.clear()
            await self._wanted.wait()
        redis = connect(
            self._deployment.redis_url,
            connections=CONNECTIONS,
            timeout_s=settings.timeout_ms / 1000,
        )
        pubsub = redis.pubsub()
        try:
            names = [RoomKeys.of(room_id).channel_key for room_id in self._channels]
            await pubsub.ssubscribe(*names)
            self._pubsub = pubsub
            for room_id in self._channels.keys() ^ {room_of_channel(name) for name in names}:
                await self._match(room_id)
            while True:
                message = await next_message(pubsub)
                works()
                self._take(message)
        finally:
            self._pubsub = None
            await pubsub.aclose()  # type: ignore[no-untyped-call]
            await redis.aclose()

    def _take(self, message: dict[str, Any]) -> None:
        """Handle a message of one room. Its faults do not affect other rooms."""
        room_id, kind = room_of_channel(message["channel"]), message["type"]
        try:
            channel = self._channels.get(room_id)
            if channel is None or kind not in ("ssubscribe", "smessage"):
                return
            is_whole = kind == "smessage" and channel.feed(message["data"])
        except Exception as fault:
            note_fault("rooms: read", fault, about=room_id)
            is_whole = False
        if not is_whole:
            self._heal(room_id)

    def _heal(self, room_id: str) -> None:
        """Let a channel catch up; at most one call at a time."""
        if room_id not in self._healing:
            bring_up = partial(self._bring_up, room_id)
            task = self._tasks.keep("rooms: heal", bring_up, about=room_id, longest_s=1.0)
            self._healing[room_id] = task
            task.add_done_callback(lambda _: self._healing.pop(room_id, None))

    async def _bring_up(self, room_id: str, _works: Works) -> None:
        """Raises StockError, StoreUnavailable or Unknown."""
        channel = self._channels.get(room_id)
        if channel is not None:
            await channel.heal()

    async def _check(self) -> float:
        """Check every channel, and remove unused ones; returns the seconds until the next check."""
        now = asyncio.get_running_loop().time()
        for room_id, channel in list(self._channels.items()):
            if channel.idle and now - channel.idle_since > IDLE_S:
                del self._channels[room_id]
                self._tasks.errand("rooms: let go", self._let_go(channel), about=room_id)
            elif channel.known:
                self._heal(room_id)
        return CHECK_S

    async def _let_go(self, channel: Channel) -> None:
        """End a removed channel."""
        await channel.close()
        await self._match(channel.room_id)
