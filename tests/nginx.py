"""A real nginx for tests, by a file of config/: only addresses and folders are those of a test."""

import os
import re
import shutil
import signal
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests.servers import Server

HOST = "127.0.0.1"
CONFIG = Path(__file__).parent.parent / "config"


class NginxServer(Server):
    """Write its configuration before it is started. It is up when it takes `port`."""

    port: int

    def __init__(self) -> None:
        super().__init__()
        binary = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
        if binary is None:
            raise RuntimeError("install nginx: `make test` does it where it may")
        self._binary = binary
        self.configuration = self.folder / "nginx.conf"

    def write(self, name: str, changes: Mapping[str, str]) -> None:
        """Take the file `name` of config/ with these changes, each of which must find its place."""
        text = (CONFIG / name).read_text()
        for theirs, ours in changes.items():
            assert theirs in text, theirs
            text = text.replace(theirs, ours)
        if os.geteuid() == 0:
            text = f"user root;\n{text}"
        # What nginx buffers on disk lies in folders that only root may write by default.
        folders = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        paths = "".join(f"{name}_temp_path {self.folder / name};\n" for name in folders)
        text = re.sub(r"^http \{\n", lambda found: found[0] + paths, text, flags=re.MULTILINE)
        self.configuration.write_text(text)

    def command(self) -> list[str]:
        files = ["-p", str(self.folder), "-c", str(self.configuration)]
        return [self._binary, *files, "-g", "daemon off;"]

    def answers(self) -> bool:
        try:
            socket.create_connection((HOST, self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def kill(self) -> None:
        """SIGKILL for all of it: its workers outlive it otherwise."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        super().kill()
        for pid in children:
            with suppress(ProcessLookupError):  # a worker of an older configuration ends by itself
                os.kill(int(pid), signal.SIGKILL)
