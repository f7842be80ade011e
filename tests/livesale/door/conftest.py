"""nginx as docs/door.md has it, in front of the service of a test."""

import os
import signal
from collections.abc import AsyncIterator

import pytest

from tests.livesale.api import Api
from tests.nginx import HOST, NginxServer
from tests.ports import free_port


class Gate(NginxServer):
    """The door's cache. `livesale` is where the service listens, as host:port."""

    def __init__(self, livesale: str) -> None:
        super().__init__()
        self._livesale = livesale
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        changes = {
            "127.0.0.1:8080": livesale,
            "listen 8090;": f"listen {HOST}:{self.port};",
            "worker_processes auto;": "worker_processes 1;",
            "worker_connections 16384;": "worker_connections 512;",
            "/var/cache/nginx/livesale-door": str(self.folder / "cache"),
            "/var/log/nginx/livesale-door.log": str(self.folder / "nginx.log"),
            "/run/nginx-livesale-door.pid": str(self.folder / "pid"),
        }
        self.write("nginx-door.conf", changes)

    def lose_service(self) -> None:
        """The service behind it goes away: nginx reads its file anew, and keeps its cache."""
        text = self.configuration.read_text()
        self.configuration.write_text(text.replace(self._livesale, f"{HOST}:{free_port()}"))
        os.kill(self.pid, signal.SIGHUP)


@pytest.fixture
async def gate(api: Api) -> AsyncIterator[Gate]:
    server = Gate(api.url.removeprefix("http://"))
    server.start()
    yield server
    server.remove()
