"""All channels of one worker: created on demand, removed after a while without use.

One connection of sharded pub/sub to each server carries the rooms that are there, with one
subscription for each room. Whenever a subscription begins, also after a lost connection or on
another server, the channel catches up from the history. It also checks every few seconds, because
messages can get lost silently, and rooms can move without a word.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from livesale.resources import Deployment
from livesale.rooms.channel.channel import Channel
from livesale.rooms.copy import RoomCopy
from livesale.rooms.keys import RoomKeys, room_of_channel
from livesale.tasks import Tasks, Works, note_fault
from stock.connection import connect, next_message
from stock.errors import Unreachable
from stock.topology.router import RoutedRedis, client_of

OPEN_S = 5.0  # timeout for a new channel
CHECK_S = 5.0
LISTEN_AGAIN_S = 1.0  # the longest wait before we reconnect to Redis
IDLE_S = 30.0  # remove a channel after this time without use

CONNECTIONS = 1  # to each server, shared by all rooms of a worker


class _Ear:
    """What this worker hears at one server: `rooms` are those that it wants to hear there."""

    def __init__(self, client: Redis) -> None:
        self.client = client
        self.rooms: set[str] = set()
        self.pubsub: PubSub | None = None  # once it has subscribed to them
        self.wanted = asyncio.Event()


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
        self._redis = connect(
            deployment.redis_url,
            connections=CONNECTIONS,
            timeout_s=deployment.settings.redis.timeout_ms / 1000,
        )
        self._ears: dict[Redis, _Ear] = {}  # by the client of their server
        self._changing = asyncio.Lock()  # one change of subscriptions at a time
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
        if not isinstance(self._redis, RoutedRedis):
            self._ear_at(self._redis)
        self._tasks.repeat("rooms: check", self._check, after_s=CHECK_S)
        try:
            yield
        finally:
            await self._tasks.close()
            for channel in self._channels.values():
                await channel.close()
            await self._redis.aclose()

    def _ear_at(self, client: Redis) -> "_Ear":
        ear = self._ears.get(client)
        if ear is None:
            ear = self._ears[client] = _Ear(client)
            listen = partial(self._listen, ear)
            self._tasks.keep("rooms: listen", listen, longest_s=LISTEN_AGAIN_S)
        return ear

    async def _match(self, room_id: str) -> None:
        """Subscribe to a room that has a channel here, where it is now, and nowhere else. Raises
        RedisError.

        Checks for the channel under the lock, because a viewer may come while it is being removed.
        """
        async with self._changing:
            name = RoomKeys.of(room_id).channel_key
            place = None
            if room_id in self._channels:
                place = self._ear_at(await client_of(self._redis, name))
            for ear in self._ears.values():
                if ear is not place and room_id in ear.rooms:
                    ear.rooms.discard(room_id)
                    if ear.pubsub is not None:
                        await ear.pubsub.sunsubscribe(name)
            if place is not None:  # also if it has subscribed: the answer makes a channel catch up
                place.rooms.add(room_id)
                place.wanted.set()
                if place.pubsub is not None:  # else it subscribes to all its rooms when it connects
                    await place.pubsub.ssubscribe(name)

    async def _listen(self, ear: "_Ear", works: Works) -> None:
        """Raises RedisError; then we subscribe again, to each room where it is then."""
        while not ear.rooms:
            works()
            ear.wanted.clear()
            await ear.wanted.wait()
            await self._move(ear)
        pubsub = ear.client.pubsub()
        try:
            rooms = set(ear.rooms)
            for room_id in rooms:  # one slot in a command
                await pubsub.ssubscribe(RoomKeys.of(room_id).channel_key)
            ear.pubsub = pubsub
            for room_id in ear.rooms ^ rooms:  # which came and went meanwhile
                ear.rooms.discard(room_id)
                await self._match(room_id)
            while True:
                message = await next_message(pubsub)
                works()
                self._take(ear, message)
        except (RedisError, OSError):
            if isinstance(self._redis, RoutedRedis):
                self._redis.topology.doubt()
                ear.pubsub = None
                await self._move(ear)
            raise
        finally:
            ear.pubsub = None
            await pubsub.aclose()  # type: ignore[no-untyped-call]

    async def _move(self, ear: "_Ear") -> None:
        """Let each room of an ear be heard where it is now."""
        for room_id in list(ear.rooms):
            await self._match(room_id)

    def _take(self, ear: "_Ear", message: dict[str, Any]) -> None:
        """Handle a message of one room. Its faults do not affect other rooms."""
        room_id, kind = room_of_channel(message["channel"]), message["type"]
        if kind == "sunsubscribe" and room_id in ear.rooms:  # its slot has moved
            ear.rooms.discard(room_id)
            if isinstance(self._redis, RoutedRedis):
                self._redis.topology.doubt()
            self._tasks.errand("rooms: subscribe", self._match(room_id), about=room_id)
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
                continue
            if not await self._is_heard(room_id):  # it has moved
                await self._match(room_id)
            if channel.known:
                self._heal(room_id)
        return CHECK_S

    async def _is_heard(self, room_id: str) -> bool:
        client = await client_of(self._redis, RoomKeys.of(room_id).channel_key)
        return room_id in self._ear_at(client).rooms

    async def _let_go(self, channel: Channel) -> None:
        """End a removed channel."""
        await channel.close()
        await self._match(channel.room_id)
