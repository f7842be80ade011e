"""A client for several primaries: each command goes to the primary that has its key.

Not redis-py's client for clusters: it sends a command again when a connection breaks, and a
command that was sent may have run. Here a command is repeated only after a refusal that proves that
nothing ran: see `stock.topology.topology`.

Commands without a key have no place. Give them to the servers one by one: `shards_of`.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from stock.keyspace import Keyspace
from stock.topology.server import Server
from stock.topology.slots import key_of
from stock.topology.topology import ELSEWHERE, Detour, Topology


class _Pools:
    """What redis-py asks of a client's pool; the servers have the real ones."""

    max_connections = 0

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self.connection_kwargs: dict[str, Any] = {}

    async def disconnect(self, inuse_connections: bool = True) -> None:
        for server in self._topology.servers:
            await server.pool.disconnect(inuse_connections)


class RoutedRedis(Redis):
    """`Redis` for commands with keys. Raises what `Redis` raises."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        pools: Any = _Pools(topology)
        super().__init__(connection_pool=pools)

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        place, detour = self._place(args), None
        while True:
            server = await self.topology.locate(place)
            command: Callable[..., Any] = server.redis.execute_command
            try:
                return await command(*args, **options)
            except ELSEWHERE as refusal:
                detour = detour or Detour(self.topology)
                await detour.take(refusal)
            except (RedisConnectionError, RedisTimeoutError, OSError):
                self.topology.doubt()
                raise

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> "RoutedPipeline":
        """Only without a transaction: one belongs to `client_of` its keys."""
        if transaction:
            raise ValueError("a transaction is in one place: ask client_of(key) for it")
        return RoutedPipeline(self)

    def pubsub(self, **options: Any) -> Any:
        raise ValueError("a subscription is in one place: ask client_of(channel) for it")

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        await self.topology.close()

    def _place(self, args: Sequence[Any]) -> int:
        key = key_of(args)
        if key is None:
            raise ValueError(f"{args[0]} has no key: ask the servers one by one")
        return self.topology.place_of(key)

    async def scatter(self, commands: Sequence[tuple[Any, Any]]) -> list[Any]:
        """The replies to many commands, with errors as values; one packet for each server."""
        replies: list[Any] = [None] * len(commands)
        together: dict[Server, list[int]] = {}
        for index, (args, _) in enumerate(commands):
            try:
                server = await self.topology.locate(self._place(args))
            except RedisError as fault:
                replies[index] = fault
                continue
            together.setdefault(server, []).append(index)
        await asyncio.gather(
            *[
                self._send(server, commands, indices, replies)
                for server, indices in together.items()
            ]
        )
        for index, (args, options) in enumerate(commands):
            if isinstance(replies[index], ELSEWHERE):  # nothing ran
                try:
                    replies[index] = await self.execute_command(*args, **options)
                except RedisError as fault:
                    replies[index] = fault
        return replies

    async def _send(
        self,
        server: Server,
        commands: Sequence[tuple[Any, Any]],
        indices: Sequence[int],
        replies: list[Any],
    ) -> None:
        try:
            async with server.redis.pipeline(transaction=False) as pipeline:
                for index in indices:
                    args, options = commands[index]
                    pipeline.execute_command(*args, **options)
                found: list[Any] = await pipeline.execute(raise_on_error=False)
        except (RedisError, OSError) as fault:
            self.topology.doubt()
            found = [fault] * len(indices)
        for index, reply in zip(indices, found, strict=True):
            replies[index] = reply


class RoutedPipeline(Pipeline):
    """Commands to any places, without a transaction. The order holds within a place."""

    def __init__(self, redis: RoutedRedis) -> None:
        super().__init__(redis.connection_pool, redis.response_callbacks, False, None)
        self._routed = redis

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        commands, self.command_stack = self.command_stack, []
        replies = await self._routed.scatter(commands)
        if raise_on_error:
            for reply in replies:
                if isinstance(reply, Exception):
                    raise reply
        return replies


class Shard(Struct, frozen=True):
    """One primary: its name, a client of it alone, and the partitions that it has now."""

    name: str
    redis: Redis
    partitions: tuple[int, ...]


async def shards_of(redis: "Redis", keyspace: Keyspace) -> list[Shard]:
    """All primaries; of a plain client, its only server. Raises RedisError if no node says."""
    everything = range(keyspace.partitions)
    if not isinstance(redis, RoutedRedis):
        return [Shard("", redis, tuple(everything))]
    topology = redis.topology
    partitions: dict[Server, list[int]] = {}
    for partition in everything:
        server = await topology.locate(topology.place_of(keyspace.epoch(partition)))
        partitions.setdefault(server, []).append(partition)
    return [
        Shard(server.name, server.redis, tuple(partitions.get(server, ())))
        for server in topology.servers
    ]


async def client_of(redis: "Redis", key: str) -> "Redis":
    """A client of the primary that has a key now. Raises RedisError."""
    if not isinstance(redis, RoutedRedis):
        return redis
    server = await redis.topology.locate(redis.topology.place_of(key))
    return server.redis


async def shard_at(redis: "Redis", name: str) -> "Redis":
    """A client of the server with this name: see `stock.topology.server`. Raises RedisError."""
    if not isinstance(redis, RoutedRedis):
        return redis
    for attempt in range(2):
        for server in redis.topology.servers:
            if server.name == name:
                return server.redis
        if attempt == 0:
            await redis.topology.refresh()
    raise RedisConnectionError(f"{name} is no primary any more")
