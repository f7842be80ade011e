"""nginx as docs/door.md has it, in front of the service of a test."""

import os
import re
import shutil
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.livesale.api import Api
from tests.ports import free_port
from tests.servers import Server

CONFIG = Path(__file__).parents[3] / "config" / "nginx-door.conf"
HOST = "127.0.0.1"


class Gate(Server):
    """nginx with config/nginx-door.conf: only addresses and folders are the test's."""

    def __init__(self, livesale: str) -> None:
        super().__init__()
        self._livesale = livesale
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        text = CONFIG.read_text()
        for theirs, ours in {
            "127.0.0.1:8080": livesale,
            "listen 8090;": f"listen {HOST}:{self.port};",
            "worker_processes auto;": "worker_processes 1;",
            "worker_connections 16384;": "worker_connections 512;",
            "/var/cache/nginx/livesale-door": str(self.folder / "cache"),
            "/var/log/nginx/livesale-door.log": str(self.folder / "nginx.log"),
            "/run/nginx-livesale-door.pid": str(self.folder / "pid"),
        }.items():
            assert theirs in text, theirs
            text = text.replace(theirs, ours)
        folders = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        paths = "".join(f"{name}_temp_path {self.folder / name};\n" for name in folders)
        text = re.sub(r"^http \{\n", lambda found: found[0] + paths, text, flags=re.MULTILINE)
        user = "user root;\n" if os.geteuid() == 0 else ""
        (self.folder / "nginx.conf").write_text(user + text)

    def command(self) -> list[str]:
        nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
        assert nginx is not None
        files = ["-p", str(self.folder), "-c", str(self.folder / "nginx.conf")]
        return [nginx, *files, "-g", "daemon off;"]

    def answers(self) -> bool:
        try:
            socket.create_connection((HOST, self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def lose_service(self) -> None:
        """The service behind it goes away: nginx reads its file anew, and keeps its cache."""
        path = self.folder / "nginx.conf"
        path.write_text(path.read_text().replace(self._livesale, f"{HOST}:{free_port()}"))
        os.kill(self.pid, signal.SIGHUP)

    def remove(self) -> None:
        if self.process is not None:
            self.process.terminate()  # its workers end with it
            self.process.wait()
        super().remove()


@pytest.fixture
async def gate(api: Api) -> AsyncIterator[Gate]:
    server = Gate(api.url.removeprefix("http://"))
    server.start()
    yield server
    server.remove()
