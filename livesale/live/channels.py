"""All channels of one worker: made when somebody asks, gone when nobody has for a while.

One connection of sharded pub/sub carries them all, one subscription a room. Whenever a subscription
begins, the first time or after the connection was lost, the channel is brought up from the history;
and every few seconds it is looked at anyway, for a message may be lost without a word.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import structlog
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from livesale.deployment import Deployment
from livesale.errors import LivesaleError
from livesale.live.channel import Channel
from livesale.live.copy import RoomCopy
from livesale.live.keys import RoomKeys, room_of_channel
from livesale.tasks.backoff import Backoff
from stock.connection import connect, next_message
from stock.errors import StockError, Unreachable

OPEN_S = 5.0  # a channel that is not up by then: Redis is away
CHECK_S = 5.0
IDLE_S = 30.0  # a channel that nobody used for so long goes

log = structlog.get_logger(__name__)


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
        self._ready: dict[str, asyncio.Event] = {}
        self._healing: dict[str, asyncio.Task[None]] = {}
        self._pubsub: PubSub | None = None
        self._wanted = asyncio.Event()
        self._never = asyncio.Event()

    async def open(self, room_id: str) -> Channel:
        """The channel of a room that exists, up and subscribed. Raises Unreachable."""
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
            self._ready[room_id] = asyncio.Event()
            self._wanted.set()
            await self._subscribe(room_id)
        if not channel.known:
            try:
                async with asyncio.timeout(OPEN_S):
                    await self._ready[room_id].wait()
            except TimeoutError:
                raise Unreachable("the room's events cannot be had now") from None
        channel.idle_since = asyncio.get_running_loop().time()  # somebody is about to use it
        return channel

    @property
    def listeners(self) -> int:
        return sum(channel.listeners for channel in self._channels.values())

    def release(self) -> None:
        """Answer those who wait for an event: this worker is about to stop."""
        for channel in self._channels.values():
            channel.release()

    def viewers(self) -> dict[str, int]:
        """How many listen to each room here."""
        return {room_id: channel.listeners for room_id, channel in self._channels.items()}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listens to Redis until the end of the block."""
        tasks = [
            asyncio.create_task(self._listen(), name="rooms: listen"),
            asyncio.create_task(self._check(), name="rooms: check"),
        ]
        try:
            yield
        finally:
            tasks += self._healing.values()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for channel in self._channels.values():
                await channel.close()

    async def _subscribe(self, room_id: str) -> None:
        if self._pubsub is None:
            return  # the reader will, with all the others, when it is connected
        try:
            await self._pubsub.ssubscribe(RoomKeys.of(room_id).channel_key)
        except (RedisError, OSError) as fault:
            log.debug("no subscription yet", room_id=room_id, fault=type(fault).__name__)

    async def _listen(self) -> None:
        settings = self._deployment.settings.redis
        backoff = Backoff(longest_s=1.0)
        while True:
            await self._wanted.wait()
            redis = connect(
                self._deployment.redis_url, connections=1, timeout_s=settings.timeout_ms / 1000
            )
            pubsub = redis.pubsub()
            try:
                names = [RoomKeys.of(room_id).channel_key for room_id in self._channels]
                await pubsub.ssubscribe(*names)
                self._pubsub = pubsub
                for room_id in self._channels.keys() - {room_of_channel(name) for name in names}:
                    await self._subscribe(room_id)
                while True:
                    self._take(await next_message(pubsub))
                    backoff.reset()
            except (RedisError, OSError) as fault:
                log.warning("the rooms hear nothing", reason=f"{type(fault).__name__}: {fault}")
            finally:
                self._pubsub = None
                await pubsub.aclose()  # type: ignore[no-untyped-call]
                await redis.aclose()
            await backoff.wait(self._never)

    def _take(self, message: dict[str, Any] | None) -> None:
        if message is None:
            return
        room_id = room_of_channel(message["channel"])
        channel = self._channels.get(room_id)
        if channel is None:
            return
        if message["type"] == "ssubscribe" or (
            message["type"] == "smessage" and not channel.feed(message["data"])
        ):
            self._heal(room_id)

    def _heal(self, room_id: str) -> None:
        """Bring a channel up, once at a time."""
        if room_id not in self._healing:
            task = asyncio.create_task(self._keep_healing(room_id), name=f"heal {room_id}")
            self._healing[room_id] = task
            task.add_done_callback(lambda _: self._healing.pop(room_id, None))

    async def _keep_healing(self, room_id: str) -> None:
        backoff = Backoff(longest_s=1.0)
        while (channel := self._channels.get(room_id)) is not None:
            try:
                await channel.heal()
            except (StockError, LivesaleError) as fault:
                log.debug("a room cannot be brought up", room_id=room_id, reason=str(fault))
                await backoff.wait(self._never)
                continue
            self._ready[room_id].set()
            return

    async def _check(self) -> None:
        """Look at every channel from time to time, and let go of those that nobody uses."""
        while True:
            await asyncio.sleep(CHECK_S)
            now = asyncio.get_running_loop().time()
            for room_id, channel in list(self._channels.items()):
                if channel.idle and now - channel.idle_since > IDLE_S:
                    await self._let_go(room_id)
                elif channel.known:
                    self._heal(room_id)

    async def _let_go(self, room_id: str) -> None:
        channel = self._channels.pop(room_id)
        del self._ready[room_id]
        await channel.close()
        if self._pubsub is not None:
            try:
                await self._pubsub.sunsubscribe(RoomKeys.of(room_id).channel_key)
            except (RedisError, OSError) as fault:
                log.debug("no end of a subscription", fault=type(fault).__name__)
