"""Connections to SQL: MySQL and MariaDB by aiomysql, SQLite by aiosqlite.

Every session is READ COMMITTED: the writer changes rows by primary key or by a condition whose row
count it checks, so it needs no gap locks, and those of REPEATABLE READ would make two partitions
wait for each other. Code that must see one instant, such as the audit, opens a `snapshot`.
SQLite runs in WAL mode with synchronous=FULL: a commit is on disk, and readers never wait.
The pool replaces a connection that died while it was idle before use: see `stock.idle`.
SQLAlchemy's own ping has no time limit, and never returns if packets vanish.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event, make_url
from sqlalchemy.engine import URL, AdaptedConnection, ExceptionContext
from sqlalchemy.exc import ArgumentError, InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from livesale.folders.private import EMBEDDED_FILE, make_data_folder, make_private_database
from livesale.settings.store_urls import check_sql_url, sql_context, wants_tls
from livesale.tasks.turns import Turns
from stock.idle import PING_S, keep_alive

SQL_URL = "LIVESALE__SQL__URL"

_WRITES = "livesale_writes"
_TIMEOUT = "livesale_timeout_s"
_FRESH = "livesale_fresh"
_STRANGERS = "livesale_strangers"
STRANGERS_WAIT_S = 2.0  # the longest wait of a request without a token
STRANGERS_WAITING = 200  # such requests in the queue; a quarter for one address
# Strict: the server refuses a value that does not fit instead of cutting it. Its waits end before
# our deadline, and it drops the locks of a client that vanished.
_MYSQL_SESSION = (
    "SET SESSION sql_mode = 'STRICT_TRANS_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,"
    "ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', "
    "innodb_lock_wait_timeout = {lock_s}, lock_wait_timeout = {lock_s}, wait_timeout = 300"
)


def now_ms() -> int:
    """This machine's clock, for `created_ms` of operators' objects. Never for opening a sale."""
    return time.time_ns() // 1_000_000


def resolve(url: str, data_dir: Path) -> URL:
    """Parse a setting: `embedded`, sqlite:///, mysql://, mariadb:// or mysql+aiomysql://.

    Raises ValueError (or SQLAlchemy's ArgumentError) for any other form and for unknown options.
    """
    if url == "embedded":
        return URL.create("sqlite+aiosqlite", database=_real(str(data_dir / EMBEDDED_FILE)))
    parsed = make_url(check_sql_url(url))
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        if parsed.database in (None, "", ":memory:"):
            raise ValueError("SQLite in memory is not durable: use a file")
        return parsed.set(drivername="sqlite+aiosqlite", database=_real(str(parsed.database)))
    if backend in ("mysql", "mariadb"):
        if not parsed.database:
            raise ValueError("the URL names no database")
        return parsed.set(drivername="mysql+aiomysql")
    raise ValueError(f"livesale does not support this database: {backend}")


def _real(database: str) -> str:
    """The path without links and `..` in its folder, the same for all processes.

    SQLAlchemy would drop `link/..` from the text, which may name another folder.
    """
    if database.startswith("file:"):
        return database
    folder, name = os.path.split(database)
    return os.path.join(os.path.realpath(folder), name)


def sqlite_file(url: str, data_dir: Path) -> Path | None:
    """The file of the database; None if it is not SQLite, or the setting is malformed."""
    try:
        target = resolve(url, data_dir)
    except (ValueError, ArgumentError):
        return None
    return Path(str(target.database)) if target.get_backend_name() == "sqlite" else None


def connect(
    url: str, data_dir: Path, connections: int = 5, *, timeout_ms: int = 10_000
) -> AsyncEngine:
    """An engine with at most `connections` sessions. It does not connect yet.

    `timeout_ms` limits a wait for a connection and a whole `transaction`. The pool replaces a dead
    session (after a restart of the server) when it hands it out.
    """
    target = resolve(url, data_dir)
    timeout_s = timeout_ms / 1000
    options = {_TIMEOUT: timeout_s, _STRANGERS: _share_of_strangers(connections)}
    if target.get_backend_name() == "sqlite":
        make_data_folder(Path(str(target.database)).parent, SQL_URL)
        engine = create_async_engine(
            target,
            pool_size=connections,
            max_overflow=0,
            pool_timeout=timeout_s,
            # The driver must not begin a transaction: `_begin_sqlite` does, with the right kind.
            connect_args={"timeout": timeout_s / 2, "isolation_level": None},
            execution_options=options,
        )
        event.listen(engine.sync_engine, "do_connect", _make_private)
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
        event.listen(engine.sync_engine, "handle_error", _drop_refusing)
        return engine
    target, tls = _tls_of(target)
    engine = create_async_engine(
        target,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=timeout_s,
        pool_recycle=240,  # before the server's wait_timeout
        isolation_level="READ COMMITTED",
        connect_args={
            "charset": "utf8mb4",
            "connect_timeout": timeout_s,
            "init_command": _MYSQL_SESSION.format(lock_s=max(1, int(timeout_s / 2))),
            **tls,
        },
        execution_options=options,
    )
    event.listen(engine.sync_engine, "connect", _watch_mysql)
    event.listen(engine.sync_engine, "checkout", _check_mysql)
    event.listen(engine.sync_engine, "handle_error", _drop_refusing)
    return engine


@asynccontextmanager
async def transaction(engine: AsyncEngine, *, write: bool = True) -> AsyncIterator[AsyncConnection]:
    """One transaction: committed at the end, rolled back by any exception.

    With `write`, SQLite takes its single write lock at once instead of failing half-way. Raises
    TimeoutError after the engine's timeout, because a hanging server never answers. After a fault
    during the commit the outcome is unknown.
    """
    async with asyncio.timeout(_timeout_of(engine)), engine.connect() as connection:
        await connection.execution_options(**{_WRITES: write})
        async with connection.begin():
            yield connection


@asynccontextmanager
async def snapshot(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A read-only transaction that sees the instant of its first query; without a timeout."""
    async with engine.connect() as connection:
        if engine.dialect.name != "sqlite":  # SQLite's read transactions are snapshots
            await connection.execution_options(isolation_level="REPEATABLE READ")
        async with connection.begin():
            yield connection


@asynccontextmanager
async def trial(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A transaction that may write, without a timeout, and always rolls back."""
    async with engine.connect() as connection:
        await connection.execution_options(**{_WRITES: True})
        async with connection.begin() as begun:
            try:
                yield connection
            finally:
                await begun.rollback()


def strangers_of(engine: AsyncEngine) -> Turns:
    """The queue for the connections that requests without a token may use."""
    turns: Turns = engine.get_execution_options()[_STRANGERS]
    return turns


def _share_of_strangers(connections: int) -> Turns:
    """Two of five connections, at most one of five for one address. The others are for buyers,
    operators and the service itself."""
    return Turns(
        max(1, connections * 2 // 5),
        each=max(1, connections // 5),
        max_waiting=STRANGERS_WAITING,
        max_each=STRANGERS_WAITING // 4,
        wait_s=STRANGERS_WAIT_S,
    )


def _tls_of(target: URL) -> tuple[URL, dict[str, Any]]:
    """The URL without its TLS options, and the driver's arguments for them."""
    options = dict(target.query)
    kept = {name: value for name, value in options.items() if name == "unix_socket"}
    target = target.set(query=kept)
    if not wants_tls(options):
        return target, {}
    from livesale.database.tls import connect_by_tls

    return target, {"ssl": sql_context(options), "async_creator_fn": connect_by_tls}


# MySQL and MariaDB: not ready for queries (Galera), shutting down, read_only, a read-only
# transaction, a read-only server.
_REFUSES_WRITES = {1047, 1053, 1290, 1792, 1836}
_DENIED = {1142, 1044, 1227}


def refuses_writes(fault: BaseException | None) -> bool:
    """Whether a driver's fault means that this server or file refuses writes."""
    if fault is None:
        return False
    code = fault.args[0] if fault.args else None
    return code in _REFUSES_WRITES or "readonly database" in str(fault)


def lacks_right(fault: BaseException | None) -> bool:
    """Whether a driver's fault means that this user lacks the right."""
    return fault is not None and bool(fault.args) and fault.args[0] in _DENIED


def _drop_refusing(context: ExceptionContext) -> None:
    """Replace every connection after one was refused a write: they survive a planned switch.

    Old connections still read from the old primary, and every write on them fails. New ones go to
    the server that the URL names now.
    """
    if refuses_writes(context.original_exception):
        context.is_disconnect = context.invalidate_pool_on_disconnect = True


def _timeout_of(engine: AsyncEngine) -> float | None:
    timeout_s: float | None = engine.get_execution_options().get(_TIMEOUT)
    return timeout_s


def _watch_mysql(connection: AdaptedConnection, record: ConnectionPoolEntry) -> None:
    keep_alive(connection.driver_connection._writer.get_extra_info("socket"))
    record.info[_FRESH] = True


def _check_mysql(connection: AdaptedConnection, record: ConnectionPoolEntry, _: object) -> None:
    """Check that the server answers on a used connection.

    Raises InvalidatePoolError: the pool then replaces all its connections.
    """
    if record.info.pop(_FRESH, False):
        return
    try:
        connection.run_async(_ping)
    except Exception as fault:  # aiomysql has no single class for a broken connection
        raise InvalidatePoolError(f"{type(fault).__name__}: {fault}") from fault


async def _ping(driver: Any) -> None:
    async with asyncio.timeout(PING_S):
        await driver.ping(reconnect=False)


def _make_private(_dialect: object, _record: object, args: list[Any], _options: object) -> None:
    make_private_database(Path(args[0]), SQL_URL)


def _prepare_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = FULL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
