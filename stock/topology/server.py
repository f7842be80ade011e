"""One primary as this process reaches it: its pool, and some connections at hand."""

import time
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from stock.errors import Unreachable

MAX_SPARE = 4


class Server:
    """`name` is its address in a cluster, the number of its group, or empty for the only one.

    It keeps some connections of the pool at hand, because taking one from the pool costs as much as
    a call; with `keeps` False it gives each back at once.
    """

    def __init__(self, name: str, redis: "Redis", *, keeps: bool = True) -> None:
        self.name = name
        self.redis = redis
        self.pool: Any = redis.connection_pool
        self._spare: list[Any] = []
        self._max_spare = min(MAX_SPARE, self.pool.max_connections // 2) if keeps else 0

    async def take_spare(self) -> Any:
        """A live connection from those at hand; None if there is none. Raises Unreachable."""
        try:
            while self._spare:
                connection, lives = self._spare.pop(), False
                try:
                    lives = await self.pool.lives(connection)
                finally:
                    if not lives:
                        await self.drop(connection)
                if lives:
                    return connection
        except (RedisError, OSError) as error:
            raise Unreachable(str(error)) from error
        return None

    async def take(self) -> Any:
        """A live connection. Raises Unreachable."""
        connection = await self.take_spare()
        try:
            return connection or await self.pool.get_connection()
        except (RedisError, OSError) as error:
            raise Unreachable(str(error)) from error

    def keep(self, connection: Any) -> bool:
        """Keep a connection at hand, if there is room for it."""
        if len(self._spare) < self._max_spare and connection.is_connected:
            connection.used_s = time.monotonic()
            self._spare.append(connection)
            return True
        return False

    async def give_back(self, connection: Any) -> None:
        if not self.keep(connection):
            await self.pool.release(connection)

    async def drop(self, connection: Any) -> None:
        """Close a connection and give its place in the pool back."""
        await connection.disconnect(nowait=True)
        await self.pool.release(connection)

    async def close(self) -> None:
        """Close all connections that are not in use, and keep none any more."""
        self._max_spare = 0
        while self._spare:
            await self.drop(self._spare.pop())
        await self.pool.disconnect(inuse_connections=False)
