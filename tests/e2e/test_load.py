"""`livesale load` and plain `locust`, each as a process, against a whole system.

A healthy system passes; one whose writer stands still, or whose books somebody has altered, does
not.
"""

import asyncio
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from livesale.database.engine import EMBEDDED_FILE
from livesale.folders.run import run_folder
from loadtests.scenarios import SCENARIOS
from stock.connection import connect
from stock.keyspace import Keyspace
from tests.e2e.system import Shop, System
from tests.forks import run_livesale

pytestmark = pytest.mark.xdist_group("load")  # one system for all of them

Done = subprocess.CompletedProcess[str]

SIZES = ("--users", "25", "--duration", "5")


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    running = System(tmp_path_factory.mktemp("load"))
    running.start()
    asyncio.run(running.wait_until_ready())
    yield running
    assert running.stop() == 0


def run(*command: str, **environment: str) -> Done:
    return subprocess.run(
        [sys.executable, "-m", *command],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def load(system: System, folder: Path, *more: str, scenario: str = "flash_spike") -> Done:
    words = ("--host", system.url, *SIZES, "--report", str(folder / "report"), *more)
    return run_livesale("load", scenario, *words, env=system.environment)


def broken(done: Done) -> set[str]:
    """The titles of the checks that failed, of a run with --json."""
    assert done.returncode == 1, done.stderr
    result = json.loads(done.stdout)
    assert result["ok"] is False
    return {check["title"] for check in result["checks"] + result["audit"] if not is_right(check)}


def is_right(check: dict[str, object]) -> bool:
    return bool(check["ok"]) if "ok" in check else not check["wrong"]


def one_line(done: Done, code: int, *words: str) -> None:
    assert (done.returncode, done.stdout) == (code, "")
    assert "Traceback" not in done.stderr
    [line] = [line for line in done.stderr.splitlines() if line.startswith("livesale: ")]
    for word in words:
        assert word in line


def test_it_brings_a_system_up_and_the_books_hold(tmp_path: Path) -> None:
    report = tmp_path / "report"
    done = run("livesale", "load", "flash_spike", "--up", *SIZES, "--report", str(report))
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    assert "checks hold." in done.stdout
    # and: what was printed is on disk, too, with a page to look at
    result = json.loads((report / "result.json").read_text())
    assert result["ok"] is True
    assert result["figures"]["acknowledged"] > 0
    assert {check["invariant"] for check in result["audit"]} >= {f"I{n}" for n in range(1, 12)}
    assert "<html" in (report / "report.html").read_text()
    assert str(report) in done.stdout


def test_plain_locust_judges_itself(system: System, tmp_path: Path) -> None:
    """Two processes of it, and buyers whose tokens come from a file."""
    tokens = tmp_path / "tokens.txt"
    lines = system.tokens(40)
    tokens.write_text(
        "\n".join([*lines[:20], *(f"buyer-{n} {lines[n - 1]}" for n in range(21, 41))])
    )
    command = ("locust", "-f", str(SCENARIOS["sold_out_storm"].file), "--headless")
    words = ("--host", system.url, "-u", "25", "-t", "5s", "--processes", "2", "--only-summary")
    words += ("--tokens", str(tokens))
    done = run(*command, *words, LIVESALE_LOAD_OPERATOR_TOKEN=system.operator())
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    assert "All 12 checks hold." in done.stdout
    assert "log in" not in done.stdout


@pytest.mark.soak
def test_a_writer_that_stands_still_is_found(system: System, tmp_path: Path) -> None:
    writer = asyncio.run(system.pid_of("writer"))
    os.kill(writer, signal.SIGSTOP)
    try:
        done = load(system, tmp_path, "--settle", "1", "--json")
    finally:
        os.kill(writer, signal.SIGCONT)
    assert broken(done) >= {
        "no acknowledged order is lost",
        "SQL has everything, and the books agree",
    }


def test_plain_locust_refuses_a_stranger_too() -> None:
    file = str(SCENARIOS["soak"].file)
    done = run("locust", "-f", file, "--headless", "--host", "http://192.0.2.7", "-t", "5s")
    one_line(done, 2, "--i-own-this-host 192.0.2.7")


def test_a_token_that_is_no_operators_is_one_clear_line(system: System, tmp_path: Path) -> None:
    environment = {**system.environment, "LIVESALE_LOAD_OPERATOR_TOKEN": system.tokens(1)[0]}
    words = ("--host", system.url, *SIZES, "--report", str(tmp_path / "report"))
    done = run_livesale("load", "soak", *words, env=environment)
    assert done.returncode == 2
    assert "livesale: the operator's token is refused" in done.stderr


@pytest.mark.soak  # the demo's show in test_demo.py is its short form
def test_viewers_of_a_room_miss_nothing_in_a_storm(system: System, tmp_path: Path) -> None:
    """Two processes of them; all lose the connection at once while a drop sells."""
    words = ("--duration", "20", "--json")
    done = load(system, tmp_path, *words, scenario="room_storm")
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    result = json.loads(done.stdout)
    [seen] = [check["seen"] for check in result["checks"] if check["title"].startswith("no viewer")]
    events, viewers, back = (int(word.replace(",", "")) for word in re.findall(r"[\d,]*\d", seen))
    # then each came back at least once, and bought by what the room said
    assert events > viewers > 0
    assert back >= viewers
    assert result["figures"]["acknowledged"] > 0


def test_books_that_somebody_alters_are_found(system: System, tmp_path: Path) -> None:
    """Units of an older drop that no entry of the log explains, and an order less in SQL.

    The last one: nobody finds the books of this system in order behind it.
    """
    # given a drop that was given units by hand
    altered = asyncio.run(alter_a_drop(system))
    # when an order goes while the load is on
    command = [sys.executable, "-m", "livesale", "load", "flash_spike", "--host", system.url]
    with subprocess.Popen(
        [*command, *SIZES, "--report", str(tmp_path / "report"), "--json"],
        env=system.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        sql = sqlite3.connect(system.data_dir / EMBEDDED_FILE, timeout=10, isolation_level=None)
        [before_ms] = sql.execute("SELECT coalesce(max(created_ms), 0) FROM orders").fetchone()
        while not delete_one(sql, before_ms):
            assert process.poll() is None
            time.sleep(0.1)
        sql.close()
        out, err = process.communicate(timeout=60)
    # then both are found, from outside and by the audit
    found = broken(Done(command, process.returncode, out, err))
    assert found >= {
        "no acknowledged order is lost",
        "the books of all other drops agree",
        "Redis = SQL ⊕ the rest of the log",
    }
    assert altered in out


async def alter_a_drop(system: System) -> str:
    """A new drop with a unit more than it was opened with; its id."""
    async with aiohttp.ClientSession() as client:
        drop_id = await Shop(system, client).open_drop(5)
    redis = connect(f"unix://{run_folder(system.data_dir) / 'redis.sock'}")
    for name in ("available", "allotted"):
        await redis.hincrby(Keyspace(4).of_drop(drop_id).drop, name, 1)
    await redis.aclose()
    return drop_id


def delete_one(sql: sqlite3.Connection, after_ms: int) -> bool:
    """A new order that is paid, as soon as there is one: nothing touches it any more."""
    found = "SELECT order_id FROM orders WHERE state = 'sold' AND created_ms > ? LIMIT 1"
    deleted = sql.execute(f"DELETE FROM orders WHERE order_id = ({found})", (after_ms,))
    return deleted.rowcount == 1
