"""Real processes: started, killed, stopped. Each test runs `livesale up` on a folder of its own."""

import asyncio
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from livesale.settings import load_settings
from livesale.tokens.signing import TokenSigner
from loadtests.client import Pool, PoolLine
from loadtests.target import parse_target
from tests.livesale.processes.running import Up
from tests.waiting import until

ALL = {"api-0", "api-1", "writer", "keeper"}


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    """All roles and two API workers, up."""
    up = Up(tmp_path / "data")
    up.start()
    yield up
    up.close()


async def processes_in_metrics(up: Up) -> set[str]:
    async with up.client() as http:
        text = await (await http.get("/metrics")).text()
    marks = (line for line in text.splitlines() if line.startswith("process_cpu_seconds_total{"))
    return {mark.split('process="')[1].split('"')[0] for mark in marks}


async def until_another(up: Up, name: str, before: int) -> None:
    def another_has_its_place() -> bool:
        return up.socket_pids().get(name, before) != before

    await until(another_has_its_place)


async def test_whoever_is_killed_comes_back(up: Up) -> None:
    banner = "".join(up.said)
    for hint in (f"{up.url}/docs", str(up.data_dir), "livesale token --buyer", "drop create"):
        assert hint in banner
    assert "\x1b" not in banner  # no colours in a pipe
    assert await processes_in_metrics(up) == ALL
    for name in ("api-0", "writer", "keeper"):
        before = up.socket_pids()[name]
        os.kill(before, signal.SIGKILL)
        await until_another(up, name, before)
        assert await processes_in_metrics(up) == ALL
    # The nursery that they are all forked from, and which takes them with it:
    before = up.socket_pids()["api-0"]
    nursery = int(Path(f"/proc/{before}/stat").read_text().rpartition(")")[2].split()[1])
    assert nursery != up.pid
    os.kill(nursery, signal.SIGKILL)
    await until_another(up, "api-0", before)

    def all_are_back() -> bool:
        return set(up.socket_pids()) == ALL

    await until(all_are_back)
    drop_id = await up.open_drop(1)  # and it sells
    assert drop_id
    assert up.stop(signal.SIGINT) == 0
    assert "process died" in up.errors.read_text()
    assert up.processes() == set()
    assert not up.socket_pids()


async def test_a_killed_supervisor_leaves_nothing_behind(up: Up) -> None:
    def all_are_there() -> bool:  # supervisor, Valkey, nursery, two workers, writer, keeper
        return len(up.processes()) >= 7

    def all_are_gone() -> bool:
        return not up.processes()

    await until(all_are_there)
    os.kill(up.pid, signal.SIGKILL)
    await until(all_are_gone)


class Crowd:
    """Buyers that hammer one drop over keep-alive connections, and write down what they hear."""

    def __init__(self, up: Up, drop_id: str) -> None:
        self.heard: Counter[str] = Counter()
        self.rids: list[str] = []
        self._line = PoolLine(Pool(parse_target(up.url), 16))
        self._path = f"/v1/drops/{drop_id}/reservations"
        self._signer = TokenSigner.from_settings(load_settings())

    async def hammer(self, number: int) -> None:
        """One unit at a time, until nobody listens any more."""
        count = 0
        while True:
            count += 1
            token = self._signer.buyer(f"b{number}-{count}")
            answer = await self._line.ask("", "POST", self._path, body={"quantity": 1}, token=token)
            self.heard[str(answer.status or answer.code)] += 1
            if not answer.status:
                return
            if answer.status == 201:
                self.rids.append(answer.body["reservation_id"])


async def test_a_stop_loses_no_request_though_every_process_is_signalled(up: Up) -> None:
    # given a crowd that never pauses
    crowd = Crowd(up, await up.open_drop(1_000_000))
    hammering = [asyncio.create_task(crowd.hammer(number)) for number in range(16)]

    def it_buys() -> bool:
        return len(crowd.rids) > 100

    await until(it_buys)

    # when every process gets SIGTERM at once, as from systemd, and SIGHUP, as from a terminal
    for number in (signal.SIGTERM, signal.SIGHUP):
        for pid in up.processes():
            os.kill(pid, number)
    assert up.process is not None
    code = await asyncio.to_thread(up.process.wait, 60)
    await asyncio.gather(*hammering)

    # then everybody had a good answer or none was begun, and SQL has every order that was given
    assert code == 0
    assert set(crowd.heard) == {"201", "refused"}, crowd.heard
    with sqlite3.connect(up.data_dir / "livesale.sqlite3") as sql:
        orders = [row[0] for row in sql.execute("SELECT order_id FROM orders")]
    assert sorted(orders) == sorted(crowd.rids)


def test_a_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as other:
        # As another livesale would hold it: a second one could share it, and split the crowd.
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        second = subprocess.run(
            [sys.executable, "-m", "livesale", "up", "--port", str(port)],
            env={**os.environ, "LIVESALE__DATA_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert second.returncode == 2
    assert second.stdout == ""
    (line,) = second.stderr.strip().splitlines()
    assert f"127.0.0.1:{port} is in use" in line
