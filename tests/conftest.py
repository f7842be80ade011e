"""Fixtures that every test may use: real servers, started once per test process."""

import asyncio
import gc
import logging
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import structlog
import uvloop
from redis.asyncio import Redis

from livesale.cli import main
from livesale.settings import PREFIX
from stock.connection import connect
from stock.gateway import RedisEngine
from stock.keyspace import Keyspace
from tests.command import Done, Run
from tests.servers import MariaDB, Valkey

gc.disable()  # until all tests are there: importing them makes no garbage

PARTITIONS = 2
SERVERS = {"redis_server", "mariadb_server", "mortal_redis"}
# What starts processes or servers of its own.
SYSTEMS = (
    *("e2e", "faults", "abuse", "benchmarks", "test_idle.py"),
    *(f"livesale/{name}" for name in ("cli", "database", "demo", "deployment", "processes")),
)


# What takes long goes first: else one process works on it in the end, and the others wait.
LONG = (
    *("e2e", "faults", "faces", "test_night.py", "test_idle.py", "test_pythons.py"),
    *(f"livesale/{name}" for name in ("console", "faces", "processes", "rooms/ingest")),
    *(f"livesale/web/{name}" for name in ("test_openapi.py", "test_lanes.py", "test_bad_input.py")),
    *("livesale/spreadsheets", "livesale/operations/test_checks.py", "livesale/tasks"),
    *("livesale/payments/test_machine.py", "livesale/deployment/test_upgrade.py"),
)


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that production has: it costs a tenth less, too."""
    return {"uvloop": uvloop.new_event_loop}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as `slow` what needs a server: `make test-fast` leaves it out. Put `LONG` first."""
    here = Path(__file__).parent
    items.sort(key=lambda item: not item.path.relative_to(here).as_posix().startswith(LONG))
    for item in items:
        path = item.path.relative_to(here).as_posix()
        if path.startswith(SYSTEMS) or SERVERS & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Spare the garbage collector what stays: thousands of tests, and all modules."""
    if getattr(session.config.option, "loadgroup", False):
        # Without its groups, each process would start each system: seen with pytest 9.2.
        grouped = [one.nodeid for one in session.items if one.get_closest_marker("xdist_group")]
        assert all("@" in nodeid for nodeid in grouped), "pytest-xdist has forgotten its groups"
    gc.freeze()  # what little is garbage stays, too: to look for it costs half a second
    gc.set_threshold(50_000, 20, 20)  # each test makes much, and little of it is garbage
    gc.enable()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Valkey]:
    """A durable Valkey. A test that kills it must start it again."""
    server = Valkey()
    server.start()
    yield server
    server.remove()


@pytest.fixture
async def redis(redis_server: Valkey) -> AsyncIterator[Redis]:
    """A client of an empty server."""
    client = connect(redis_server.url, connections=16)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
def keyspace() -> Keyspace:
    return Keyspace(PARTITIONS)


@pytest.fixture
async def engine(redis: Redis, keyspace: Keyspace) -> RedisEngine:
    """The engine on an empty server whose partitions have epoch 1."""
    for partition in range(keyspace.partitions):
        await redis.set(keyspace.epoch(partition), 1)
    return RedisEngine(redis, keyspace, dict.fromkeys(range(keyspace.partitions), 1))


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[MariaDB]:
    server = MariaDB()
    server.start()
    yield server
    server.remove()


@pytest.fixture
def mariadb_url(mariadb_server: MariaDB) -> str:
    """A fresh, empty database. The server is shared by the tests of this process."""
    return mariadb_server.database()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'livesale.sqlite3'}"


@pytest.fixture
def livesale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """Runs `main()` as a command would, in this process: quicker by the time of all imports."""
    for name in list(os.environ):
        if name.startswith(PREFIX):
            monkeypatch.delenv(name)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def run(*args: str, **settings: str) -> Done:
        capsys.readouterr()
        with monkeypatch.context() as patch:
            for name, value in {f"{PREFIX}DATA_DIR": str(tmp_path / "var"), **settings}.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["livesale", *args])
            with pytest.raises(SystemExit) as ended:
                main()
        assert ended.value.code is None or isinstance(ended.value.code, int)
        return Done(args, ended.value.code or 0, *capsys.readouterr())

    yield run
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
