"""Connections for the engine: no hidden retries, a bounded pool, and reliable cancellation.

redis-py 8.1 limits a write by `asyncio.wait_for`, which before Python 3.12 swallows a cancellation
in the tick in which the write is done: the cancelled task continues, and a process that waits for
its end never stops. Here `asyncio.timeout` limits the write, which also avoids a task per command.

Every connection knows which server it reached: `server_id` is the server's run_id, which changes
with each start. Another server needs another connection, so comparing the id before each call
detects a restart, a swap or a failover at no cost. (An empty script cache would not be enough: a
primary that returns after two failovers still has its scripts.)

A connection that died while idle is replaced before anything is sent: see `stock.idle`. The check
of redis-py's pool does not do this: it is off if maintenance notifications are on, and it does not
detect a reset.
"""

import asyncio
import math
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote

import hiredis
from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.asyncio.client import PubSub
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
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.maint_notifications import MaintNotificationsConfig

from stock.hosts import (
    CLUSTER_TLS,
    SENTINEL,
    SENTINEL_TLS,
    credentials_of,
    groups_of,
    in_cluster,
    parse_cluster,
    parse_host,
    show_host,
)
from stock.idle import KEEPALIVE, LISTEN_S, PING_S, QUIET_S
from stock.topology.cluster import Cluster
from stock.topology.groups import Groups
from stock.topology.router import RoutedRedis

Greeting = Callable[[str], None]

_pack = HiredisRespSerializer().pack
_pack_one: Callable[..., bytes] = hiredis.pack_command


def _pack_all(commands: Sequence[Sequence[str | int]]) -> list[bytes]:
    return [b"".join(_pack_one(tuple(command)) for command in commands)]


class _CancelSafe(AbstractConnection):
    server_id = ""
    greet: Greeting | None = None
    used_s = 0.0  # time.monotonic() of the last proof that it lives

    async def is_clean(self) -> bool:
        """Whether it is open, according to the kernel, with nothing left to read."""
        writer = self._writer
        try:
            return writer is not None and not writer.is_closing() and not await self.can_read()
        except RedisError:
            return False

    async def answers(self) -> bool:
        """Whether the server answers a PING within PING_S. Disconnects if not."""
        try:
            async with asyncio.timeout(PING_S):
                await self.send_command("PING", check_health=False)
                await self.read_response()
        except ResponseError:
            pass  # a refusal also counts as an answer
        except (RedisError, OSError, TimeoutError):
            await self.disconnect(nowait=True)
            return False
        self.used_s = time.monotonic()
        return True

    def pack_command(self, *args: Any) -> list[bytes]:
        try:
            packed: list[bytes] = _pack(*args)
        except UnicodeEncodeError:  # text that was not UTF-8: hiredis does not support surrogates
            packed = super().pack_command(*args)
        return packed

    async def converse(self, command: tuple[str | int, ...]) -> Any:
        """Send one command and read its reply, without redis-py's overhead.

        For a batch that is a lot: a generator over all arguments, and a timeout for a write that
        the kernel accepts at once.
        """
        try:
            packed = _pack_one(command)
        except UnicodeEncodeError:
            packed = b"".join(self.pack_command(*command))
        writer = self._writer
        if writer is None:
            raise RedisConnectionError("the connection is closed")
        writer.write(packed)
        if writer.transport.get_write_buffer_size():
            await self.send_packed_command([], check_health=False)  # has a timeout
        return await self.read_response()

    async def converse_all(self, commands: Sequence[Sequence[str | int]]) -> list[Any]:
        """Send all commands at once and read their replies, with one timeout for all of them.

        redis-py's pipeline makes a timeout, a task's step and an object for each command: for fifty
        small reads that is most of their cost. Raises the first error of a reply, when all
        are read.
        """
        await self.send_packed_command(_pack_all(commands), check_health=False)
        replies: list[Any] = []
        refused: ResponseError | None = None
        try:
            async with asyncio.timeout(self.socket_timeout):
                for _ in commands:
                    try:
                        replies.append(await self.read_response(timeout=math.inf))
                    except ResponseError as error:
                        refused = refused or error
        except TimeoutError:
            raise RedisTimeoutError("Timeout reading from socket") from None
        if refused is not None:
            raise refused
        return replies

    async def on_connect_check_health(self, check_health: bool = True) -> None:
        await super().on_connect_check_health(check_health)
        await self.send_command("INFO", "server", "replication", check_health=False)
        about = _read_info(str(await self.read_response()))
        self.check_role(about["role"])
        self.server_id = about["run_id"]
        self.used_s = time.monotonic()
        if self.greet is not None:
            self.greet(self.server_id)

    def check_role(self, role: str) -> None:
        """Raise ConnectionError if this server must not be used."""

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


class _OneAuthority(SSLConnection):
    """redis-py would also trust the authorities of this machine besides the configured one."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        asked = self.ssl_context
        if asked.ca_certs and asked.context is None:
            asked.context = ssl.create_default_context(cafile=asked.ca_certs)
            if asked.certfile:
                asked.context.load_cert_chain(asked.certfile, asked.keyfile)


class _Tls(_CancelSafe, _OneAuthority):
    pass


class _Unix(_CancelSafe, UnixDomainSocketConnection):
    pass


class _TcpPrimary(_Tcp):
    """Checks that the server is a primary: after a failover it may be another."""

    def check_role(self, role: str) -> None:
        if role != "master":
            place = show_host(self.host, self.port)
            raise RedisConnectionError(f"{place} is no longer a primary")


class _TlsPrimary(_TcpPrimary, _Tls):
    pass


class _ThroughSentinel(_TcpPrimary):
    """Asks the Sentinels for the primary at each connect, and checks that it is one."""

    def __init__(
        self,
        *,
        sentinels: list[tuple[str, int]],
        primary: str,
        sentinel_tls: dict[str, Any] | None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._sentinels = sentinels
        self._primary = primary
        self._sentinel_tls = sentinel_tls

    async def _connect(self) -> None:
        self.host, self.port = await find_primary(
            self._sentinels,
            self._primary,
            self.socket_connect_timeout,
            self._sentinel_tls,
        )
        await super()._connect()  # type: ignore[no-untyped-call]


class _ThroughTlsSentinel(_ThroughSentinel, _Tls):
    pass


class Pool(BlockingConnectionPool):
    """A pool of live connections: it reconnects those that died while idle."""

    _distrusted_s = 0.0  # replace connections that were not used since then without a check

    async def lives(self, connection: Any) -> bool:
        """Whether an idle connection may be used. A recently used one may.

        If one does not answer, all that were quiet at that time count as dead, so that we wait for
        PING_S only once and not for each of them.
        """
        if not await connection.is_clean():
            return False
        now_s = time.monotonic()
        if now_s - connection.used_s < QUIET_S:
            return True
        if connection.used_s < self._distrusted_s:
            return False
        if await connection.answers():
            return True
        self._distrusted_s = max(self._distrusted_s, now_s - QUIET_S)
        return False

    async def ensure_connection(self, connection: Any) -> None:
        if connection.is_connected and not await self.lives(connection):
            await connection.disconnect(nowait=True)
        await connection.connect()

    async def release(self, connection: Any) -> None:
        connection.used_s = time.monotonic()
        await super().release(connection)


_CLASSES: dict[type[AbstractConnection], type[AbstractConnection]] = {
    Connection: _Tcp,
    SSLConnection: _Tls,
    UnixDomainSocketConnection: _Unix,
}


def parse(url: str) -> tuple[dict[str, Any], type[AbstractConnection]]:
    """Parse a URL for `connect`. Raises ValueError for an invalid one."""
    if url.startswith((SENTINEL, SENTINEL_TLS)):
        tls = url.startswith(SENTINEL_TLS)
        return _parse_sentinel(url), _ThroughTlsSentinel if tls else _ThroughSentinel
    options: dict[str, Any] = dict(parse_url(url))
    return options, _CLASSES[options.pop("connection_class", Connection)]


def hosts_of(url: str) -> list[str]:
    """Every host of a URL, without port and brackets; none for a unix socket."""
    found: list[str] = []
    for each in groups_of(url):
        if in_cluster(each):
            found += [host for host, _ in parse_cluster(each)[0]]
            continue
        options, _ = parse(each)
        named = [host for host, _ in options.get("sentinels", [])]
        if "path" not in options:
            found += named or [options.get("host", "localhost")]
    return found


def connect(
    url: str,
    *,
    connections: int = 8,
    timeout_s: float = 5.0,
    wait_s: float = 5.0,
    greet: Greeting | None = None,
) -> "Redis":
    """A client for the engine: replies as text, commands never sent twice.

    `url` is redis://, rediss://, unix:// or sentinel://host:port,host:port/primary[/db], or
    sentinels:// if Sentinels and primary use TLS; several of these last two with `;` in between;
    cluster://host:port,host:port, or clusters:// with TLS.
    `connections` are those to each server, `timeout_s` limits one reply, `wait_s` the wait for a
    free connection; `greet` is called with the server_id of each new connection. Bytes that are not
    UTF-8 become surrogates, so that a corrupt log entry does not block reading the others. Raises
    ValueError for any other URL.
    """

    def client(options: dict[str, Any], kind: type[AbstractConnection]) -> "Redis":
        return _client(options, kind, connections, timeout_s, wait_s, greet)

    urls = groups_of(url)
    if len(urls) == 1 and not in_cluster(url):
        return client(*parse(url))
    if len(urls) > 1:
        return RoutedRedis(Groups([client(*parse(each)) for each in urls]))
    seeds, options = parse_cluster(url)
    tls = url.startswith(CLUSTER_TLS)
    primary, node = (_TlsPrimary, _Tls) if tls else (_TcpPrimary, _Tcp)

    def at(place: tuple[str, int]) -> dict[str, Any]:
        return {"host": place[0], "port": place[1], **options}

    return RoutedRedis(
        Cluster(
            seeds,
            lambda place: client(at(place), primary),
            lambda place: _client(at(place), node, 1, min(timeout_s, 1.0), wait_s, None),
        )
    )


def _client(
    options: dict[str, Any],
    kind: type[AbstractConnection],
    connections: int,
    timeout_s: float,
    wait_s: float,
    greet: Greeting | None,
) -> "Redis":
    if issubclass(kind, Connection):
        options = {"socket_keepalive": True, "socket_keepalive_options": KEEPALIVE} | options
    pool = Pool(
        connection_class=type(kind.__name__, (kind,), {"greet": staticmethod(greet)})
        if greet
        else kind,
        max_connections=connections,
        timeout=wait_s,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        decode_responses=True,
        encoding_errors="surrogateescape",
        retry=Retry(NoBackoff(), 0),
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
        **options,
    )
    return Redis.from_pool(pool)


async def next_message(pubsub: PubSub) -> dict[str, Any]:
    """Wait for the next message of a subscription, without a limit.

    After LISTEN_S of silence it pings the server. Raises ConnectionError without an answer within
    PING_S: a dead subscription would never get a message again.
    """
    asked = False
    while True:
        timeout_s = PING_S if asked else LISTEN_S
        heard = await pubsub.parse_response(block=False, timeout=timeout_s)
        if heard is None and asked:
            raise RedisConnectionError(f"no answer within {PING_S} s")
        if heard is None:
            await pubsub.ping()
        elif heard != "PONG":  # `handle_message` cannot read it as text
            message: dict[str, Any] = await pubsub.handle_message(heard)  # type: ignore[no-untyped-call]
            return message
        asked = heard is None


async def find_primary(
    sentinels: list[tuple[str, int]], name: str, timeout_s: float | None, tls: dict[str, Any] | None
) -> tuple[str, int]:
    """The primary's address, from the first Sentinel that answers. Raises ConnectionError.

    `tls` are redis-py's TLS options, None for unencrypted Sentinels.
    """
    faults = []
    for host, port in sentinels:
        pool = ConnectionPool(
            connection_class=_OneAuthority if tls is not None else Connection,
            host=host,
            port=port,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            decode_responses=True,
            retry=Retry(NoBackoff(), 0),
            **(tls or {}),
        )
        sentinel = Redis.from_pool(pool)
        try:
            async with sentinel:
                command = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name)
                found: Any = await sentinel.execute_command(*command)  # type: ignore[no-untyped-call]
        except (RedisError, OSError) as fault:
            faults.append(f"{show_host(host, port)}: {fault}")
            continue
        if found:
            return str(found[0]), int(found[1])
        faults.append(f"{show_host(host, port)} knows no {name}")
    raise RedisConnectionError(f"no Sentinel knows the primary: {'; '.join(faults)}")


def _parse_sentinel(url: str) -> dict[str, Any]:
    """sentinel://[user:password@]host[:port][,host[:port]…]/primary[/db][?client_name=…]

    User and password are those of the primary.
    """
    # Not with urlsplit, which parses all hosts as one and refuses several in brackets.
    address, _, query = url.partition("://")[2].partition("?")
    netloc, _, path = address.partition("/")
    credentials, _, hosts = netloc.rpartition("@")
    primary, _, db = path.strip("/").partition("/")
    if not hosts or not primary:
        raise ValueError("it must be sentinel://host:port,host:port/name-of-the-primary")
    given = dict(parse_qsl(query))
    tls = {name: value for name, value in given.items() if name.startswith("ssl_")}
    options: dict[str, Any] = {
        "sentinels": [parse_host(each) for each in hosts.split(",")],
        "primary": unquote(primary),
        "sentinel_tls": tls if url.startswith(SENTINEL_TLS) else None,
        **given,
    }
    if db:
        if not db.isdecimal():
            raise ValueError(f"{db!r} is not the number of a database")
        options["db"] = int(db)
    return options | credentials_of(credentials)


def _read_info(text: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in text.splitlines() if ":" in line)
    return {name: value for name, _, value in pairs}
