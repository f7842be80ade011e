"""The page "Your own Redis and MariaDB", as its reader plays it, word by word."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from livesale.database import engine as database
from livesale.deployment.startup import check_sql
from livesale.errors import Refused
from tests.e2e.system import System
from tests.e2e.test_quickstart import PAGE
from tests.ports import free_port
from tests.servers import MariaDB, die_with_parent

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Reader:
    """Plays the page, on ports that are free here."""

    def __init__(self, folder: Path) -> None:
        told = PAGE.read_text(encoding="utf-8").partition("## Your own Redis and MariaDB")[2]
        (self.redis, self.sql, self.commands) = (
            text for _, text in BLOCK.findall(told.partition("\n## ")[0])
        )
        self.ports = {"6379": free_port(), "3306": free_port()}
        assert all(port in self.commands for port in self.ports)
        self.system = System(folder, LIVESALE__HTTP__WORKERS="1")
        self.folder = folder

    def run(self, script: str) -> "subprocess.Popen[bytes]":
        for written, free in self.ports.items():
            script = script.replace(written, str(free))
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return subprocess.Popen(
            ["bash", "-euc", script],
            env=self.system.environment | {"PATH": programs},
            cwd=self.folder,
            preexec_fn=die_with_parent(),
            stdout=(self.folder / "said").open("ab"),
            stderr=subprocess.STDOUT,
        )


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


@pytest.fixture
def mariadb(reader: Reader) -> Iterator[MariaDB]:
    """As `mariadb-install-db` leaves it, anonymous users and all."""
    network = ("--skip-networking=0", "--bind-address=127.0.0.1", f"--port={reader.ports['3306']}")
    server = MariaDB(*network, as_installed=True)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="the page needs redis-server")
async def test_the_page_does_what_it_says(reader: Reader, mariadb: MariaDB, tmp_path: Path) -> None:
    # given a fresh MariaDB, with its anonymous user
    anonymous = mariadb.execute("SELECT COUNT(*) FROM mysql.user WHERE user = ''")
    assert int(anonymous) > 0
    redis = reader.run(f"exec {reader.redis.strip()} --port 6379 --bind 127.0.0.1")
    try:
        # when the page is played
        mariadb.execute(reader.sql)
        before, _, after = reader.commands.partition("livesale up")
        assert not after.strip()
        # then migration and doctor end well, and the service sells
        ended = await asyncio.to_thread(reader.run(before).wait)
        assert ended == 0, (tmp_path / "said").read_text()
        reader.system.output = tmp_path / "said"
        exports = "".join(re.findall(r"^export .*\n", before, re.MULTILINE))
        reader.system.process = reader.run(f"{exports} exec livesale up")
        await reader.system.wait_until_ready()
        assert await asyncio.to_thread(reader.system.stop) == 0
        # and without the user for this machine, the refusal says why
        mariadb.execute("DROP USER livesale@localhost")
        url = f"mysql://livesale:change-me@127.0.0.1:{reader.ports['3306']}/livesale"
        engine = database.connect(url, tmp_path)
        with pytest.raises(Refused) as caught:
            await check_sql(engine, "fsync")
        assert "DROP USER ''@localhost" in caught.value.cure
        await engine.dispose()
    finally:
        redis.kill()
        redis.wait()
