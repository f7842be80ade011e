"""The whole system under test, with a handle on every part that can break.

`livesale up` with two API workers, writer and keeper as processes; a private MariaDB; a private
Valkey with the shim preloaded and its AOF on a file system of its own where that may be mounted;
between Valkey and the service a proxy.
"""

import asyncio
import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import aiohttp
from redis.asyncio import Redis
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from livesale.database import engine as database
from livesale.ledger.tables import log_offsets
from livesale.tasks.pdeathsig import die_with_parent
from stock.connection import connect
from stock.keyspace import Keyspace
from stock.log import LogReader
from tests.e2e.system import System
from tests.faults.proxy import Proxy
from tests.faults.shim import Shim, compile_shim
from tests.forks import Forked, forks, run_livesale
from tests.servers import MariaDB, Server, Valkey
from tests.waiting import until

PARTITIONS = 2
WORKERS = 2
DISK_MB = 512
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 0x40000
PATIENCE_S = 60.0
SETTLE_S = 30.0
PATIENT = {"LIVESALE__REDIS__TIMEOUT_MS": "20000", "LIVESALE__SQL__TIMEOUT_MS": "60000"}

SETTINGS = {
    "LIVESALE__STOCK__PARTITIONS": str(PARTITIONS),
    # A reply that is late by more than this is lost: the suite has no hour to wait.
    "LIVESALE__REDIS__TIMEOUT_MS": "1500",
    "LIVESALE__SQL__TIMEOUT_MS": "4000",
    "LIVESALE__HTTP__ACCESS_LOG_SAMPLE": "0",
    "LIVESALE__LOG__FORMAT": "json",
}


class FaultySystem:
    """`async with FaultySystem() as system`: started, ready, and taken away at the end."""

    def __init__(self, mariadb: MariaDB | None = None, workers: int = WORKERS) -> None:
        """With a MariaDB that runs already, that one is used, killed and left running."""
        self.workers = workers
        self._lent = mariadb
        self.folder = Path(tempfile.mkdtemp(prefix="livesale-faults-"))
        self.shim_library = compile_shim(self.folder)
        self.keyspace = Keyspace(PARTITIONS)
        self.disk = self.folder / "disk"
        self.valkey = Valkey("--dir", str(self.disk), "--busy-reply-threshold", "200")
        self.shim = Shim(self.folder, "valkey", self.shim_library)
        self.valkey.environment = self.shim.environment
        self.proxy = Proxy(self.folder / "proxy.sock", self.valkey.socket)
        self._replaced: list[Valkey] = []
        self.extras: dict[str, subprocess.Popen[bytes] | Forked] = {}
        self.disk_is_small = False  # it has a file system of its own
        self.mariadb: MariaDB
        self.redis: Redis
        self.sql: AsyncEngine
        self.livesale: System

    async def __aenter__(self) -> "FaultySystem":
        try:
            self.prepare_disk()
            self.valkey.start()
            self.mariadb = self._lent or MariaDB()
            if self._lent is None:
                self.mariadb.start()
            await self.proxy.start()
            sql_url = self.mariadb.database()
            self.redis = connect(self.valkey.url, connections=8, timeout_s=5.0)
            self.sql = database.connect(sql_url, self.folder, 4)
            self.livesale = System(
                self.folder,
                LIVESALE__REDIS__URL=f"unix://{self.proxy.address}",
                LIVESALE__SQL__URL=sql_url,
                **SETTINGS,
            )
            await asyncio.to_thread(self.livesale.command, "migrate")
            self.livesale.start(self.workers)
            await self.livesale.wait_until_ready()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in self.extras.values():
            process.kill()
            process.wait()
        if hasattr(self, "livesale") and self.livesale.process is not None:
            await asyncio.to_thread(self.livesale.stop)
        await self.proxy.stop()
        if hasattr(self, "sql"):
            await self.sql.dispose()
            await self.redis.aclose()
        await asyncio.to_thread(self.remove_servers)

    def prepare_disk(self) -> None:
        """Where the AOF is to be."""
        self.disk_is_small = _mount(self.disk)

    def remove_servers(self) -> None:
        """End the stores, and take away their disk."""
        if hasattr(self, "mariadb") and self._lent is None:
            self.mariadb.remove()
        for server in (self.valkey, *self._replaced):
            server.remove()
        if self.folder.joinpath("disk").is_mount():
            subprocess.run(["umount", str(self.folder / "disk")], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    async def command(self, *words: str) -> str:
        """Run one `livesale` command to its end; what it printed."""
        return await asyncio.to_thread(self.livesale.command, *words)

    async def audit(self) -> list[str]:
        """What the service's own audit finds broken. It has time: nothing is to be hurried here."""
        words = ["audit", "--json", "--redis", self.valkey.url, "--settle", str(SETTLE_S)]
        environment = self.livesale.environment | PATIENT
        done = await asyncio.to_thread(
            run_livesale, *words, env=environment, timeout=4 * PATIENCE_S
        )
        try:
            checks = json.loads(done.stdout)
        except ValueError:
            return [f"the audit could not be read: {done.stdout[-500:]}{done.stderr[-500:]}"]
        return [
            f"{check['invariant']} {check['title']}: {check['detail']}"
            for check in checks
            if not check["ok"]
        ]

    def keep_logs(self, folder: Path) -> None:
        """Copy what the processes wrote."""
        folder.mkdir(parents=True, exist_ok=True)
        for log in (
            self.livesale.output,
            self.folder / "extras.log",
            self.valkey.folder / "server.log",
        ):
            if log.exists():
                shutil.copy(log, folder / f"{log.parent.name}-{log.name}")

    def spawn_extra(self, name: str, *words: str, shim: Shim | None = None) -> None:
        """One more process of livesale beside those of `up`."""
        environment = dict(self.livesale.environment)
        with (self.folder / "extras.log").open("ab") as output:
            if shim is None:
                self.extras[name] = forks().start(words, environment, output, output)
                return
            environment |= {key: shim.environment[key] for key in ("LD_PRELOAD", "FAULTS_CONTROL")}
            self.extras[name] = subprocess.Popen(
                [sys.executable, "-m", "livesale", *words],
                env=environment,
                stdout=output,
                stderr=output,
                preexec_fn=die_with_parent(),
            )

    async def end_extra(self, name: str, *, kill: bool) -> None:
        process = self.extras.pop(name, None)
        if process is None:
            return
        process.kill() if kill else process.terminate()
        try:
            await asyncio.to_thread(process.wait, 20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    async def replace_valkey(self, other: Valkey) -> None:
        """Let another server take the place of Valkey, which is dead."""
        self._replaced.append(self.valkey)
        self.valkey, self.disk, self.disk_is_small = other, other.folder, False
        self.proxy.upstream = other.socket
        self.proxy.cut_all()
        await self.redis.aclose()
        self.redis = connect(other.url, connections=8, timeout_s=5.0)

    async def restart(self, server: Server) -> float:
        """Start a server that has died, if it has; seconds until it answered."""
        began = time.monotonic()
        while True:
            if server.process is None or server.process.poll() is not None:
                server.socket.unlink(missing_ok=True)
                server.spawn()
            process = server.process
            assert process is not None
            deadline = time.monotonic() + PATIENCE_S
            while process.poll() is None:
                if await asyncio.to_thread(server.answers):
                    return time.monotonic() - began
                if time.monotonic() > deadline:
                    raise TimeoutError((server.folder / "server.log").read_text()[-2000:])
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.2)

    async def wait_until_ready(self) -> None:
        """Until the service says so, and SQL holds the log as it is then."""
        roles = ("writer", "keeper", *(f"api-{number}" for number in range(self.workers)))

        async def all_are_up() -> bool:
            return await self._all_are_up(roles)

        await until(all_are_up, PATIENCE_S)
        await until(self._is_ready, PATIENCE_S)
        await self.wait_until_whole()

    async def wait_until_whole(self) -> None:
        """Until SQL holds the log as it is now."""
        async with asyncio.timeout(PATIENCE_S):
            target = await self._entries_in_log()

        async def is_whole() -> bool:
            return await self._entries_in_sql() >= target

        await until(is_whole, PATIENCE_S)

    async def _all_are_up(self, roles: Iterable[str]) -> bool:
        try:
            async with asyncio.timeout(1):
                for role in roles:
                    await self.livesale.pid_of(role)
        except TimeoutError:
            return False
        return True

    async def _entries_in_log(self) -> int:
        added = 0
        for partition in range(PARTITIONS):
            log = LogReader(self.redis, self.keyspace.log(partition))
            added += (await log.info()).entries_added
        return added

    async def _entries_in_sql(self) -> int:
        """How many entries of the log SQL holds; -1 while it cannot be asked."""
        try:
            async with asyncio.timeout(5), self.sql.connect() as connection:
                rows = await connection.execute(select(log_offsets.c.entries))
                return sum(int(row[0]) for row in rows)
        except (SQLAlchemyError, OSError, TimeoutError):
            return -1

    async def _is_ready(self) -> bool:
        # A connection of its own each time: any of the workers may answer.
        limit = aiohttp.ClientTimeout(total=3)
        try:
            async with (
                aiohttp.ClientSession(timeout=limit) as client,
                client.get(f"{self.livesale.url}/readyz") as answer,
            ):
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False


def _mount(folder: Path) -> bool:
    """A small file system of its own, where we may mount one; else a folder.

    In a mount namespace of our own, so that nothing is left behind when we are killed. Called in
    the main thread: the threads and processes that it starts later see the same.
    """
    folder.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() != 0 or libc.unshare(CLONE_NEWNS) != 0:
        return False
    libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    size = f"size={DISK_MB}m".encode()
    return bool(libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, size) == 0)
