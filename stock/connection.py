"""Connections for the engine: no hidden retries, a pool with a bound, and cancellation that holds.

redis-py 8.1 bounds a write by `asyncio.wait_for`, which before Python 3.12 swallows a cancellation
that comes in the tick in which the write is done: the cancelled task goes on as if nothing had been
said, and a process that waits for it never ends. Here the write is bounded by `asyncio.timeout`,
which also spares a task per command.
"""

import asyncio
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
    parse_url,
)
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.connection import HiredisRespSerializer
from redis.exceptions import TimeoutError as RedisTimeoutError

_pack = HiredisRespSerializer().pack


class _CancelSafe(AbstractConnection):
    def pack_command(self, *args: Any) -> list[bytes]:
        try:
            packed: list[bytes] = _pack(*args)
        except UnicodeEncodeError:  # text that came as no UTF-8: hiredis knows no surrogates
            packed = super().pack_command(*args)
        return packed

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        timeout_s = self.socket_timeout
        self.socket_timeout = None  # so that the parent does not call wait_for
        try:
            async with asyncio.timeout(timeout_s):
                await super().send_packed_command(command, check_health)
        except TimeoutError:
            raise RedisTimeoutError("Timeout writing to socket") from None
        finally:
            self.socket_timeout = timeout_s


class _Tcp(_CancelSafe, Connection):
    pass


class _Tls(_CancelSafe, SSLConnection):
    pass


class _Unix(_CancelSafe, UnixDomainSocketConnection):
    pass


_CLASSES: dict[type[AbstractConnection], type[AbstractConnection]] = {
    Connection: _Tcp,
    SSLConnection: _Tls,
    UnixDomainSocketConnection: _Unix,
}


def connect(
    url: str, *, connections: int = 8, timeout_s: float = 5.0, wait_s: float = 5.0
) -> "Redis":
    """A client for the engine: replies as text, commands never sent twice.

    `url` is redis://, rediss:// or unix://; `timeout_s` bounds one reply, `wait_s` the wait for a
    free connection. Bytes that are no UTF-8 come as surrogates: a poisoned log entry must not keep
    anybody from reading the others. Raises ValueError for another kind of URL.
    """
    options: dict[str, Any] = dict(parse_url(url))
    kind = options.pop("connection_class", Connection)
    pool = BlockingConnectionPool(
        connection_class=_CLASSES[kind],
        max_connections=connections,
        timeout=wait_s,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        decode_responses=True,
        encoding_errors="surrogateescape",
        retry=Retry(NoBackoff(), 0),
        **options,
    )
    return Redis.from_pool(pool)
