"""`livesale load` and plain `locust`, each as a process, against a whole system.

A healthy system passes; one whose writer stands still, or whose books somebody has altered, does
not.
"""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from livesale.run_folder import run_folder
from loadtests.scenarios import SCENARIOS
from stock.connection import connect
from stock.keyspace import Keyspace
from tests.e2e.system import Shop, System

Done = subprocess.CompletedProcess[str]

SIZES = ("--users", "25", "--duration", "6")
pytestmark = pytest.mark.xdist_group("load")


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
    return run("livesale", "load", scenario, *words, **system.environment)


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
    command = ("locust", "-f", str(SCENARIOS["sold_out_storm"].file), "--headless")
    words = ("--host", system.url, "-u", "25", "-t", "6s", "--processes", "2", "--only-summary")
    done = run(*command, *words, LIVESALE_LOAD_OPERATOR_TOKEN=system.operator())
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    assert "All 12 checks hold." in done.stdout


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


def test_books_that_were_altered_before_are_found(system: System, tmp_path: Path) -> None:
    """Somebody gave a drop units, in Redis, that no entry of the log explains."""

    async def alter(by: int) -> None:
        async with aiohttp.ClientSession() as client:
            drop_id = self_made or await Shop(system, client).open_drop(5)
        key = Keyspace(4).of_drop(drop_id).drop
        redis = connect(f"unix://{run_folder(system.data_dir) / 'redis.sock'}")
        for name in ("available", "allotted"):
            await redis.hincrby(key, name, by)
        await redis.aclose()
        made.append(drop_id)

    made: list[str] = []
    self_made = ""
    asyncio.run(alter(1))
    [self_made] = made
    try:
        done = load(system, tmp_path, "--json")
    finally:
        asyncio.run(alter(-1))
    assert "the books of all other drops agree" in broken(done)


def test_an_order_that_was_taken_out_of_sql_is_found(system: System, tmp_path: Path) -> None:
    """While the load goes on: the last second of it is when somebody deletes a row."""
    with subprocess.Popen(
        [sys.executable, "-m", "livesale", "load", "flash_spike", "--host", system.url, *SIZES]
        + ["--report", str(tmp_path / "report"), "--json"],
        env=system.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        database = next(system.data_dir.glob("*.sqlite*"))
        sql = sqlite3.connect(database, timeout=10, isolation_level=None)
        before = sql.execute("SELECT count(*) FROM orders").fetchone()[0]
        while not delete_one(sql, before):
            assert process.poll() is None
        sql.close()
        out, err = process.communicate(timeout=60)
    done = Done(process.args, process.returncode, out, err)
    assert "no acknowledged order is lost" in broken(done)


def delete_one(sql: sqlite3.Connection, before: int) -> bool:
    """An order that is paid, once there are some new ones: nothing touches it any more."""
    if sql.execute("SELECT count(*) FROM orders").fetchone()[0] < before + 3:
        return False
    newest = "SELECT order_id FROM orders WHERE state = 'sold' ORDER BY created_ms DESC LIMIT 1"
    return sql.execute(f"DELETE FROM orders WHERE order_id = ({newest})").rowcount == 1


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("flash_spke",), 2, ("no scenario 'flash_spke'", "flash_spike")),
        (("soak", "--host", "http://192.0.2.7"), 2, ("--i-own-this-host 192.0.2.7",)),
        (("soak", "--host", "localhost"), 2, ("is no target",)),
        (("soak", "--host", "http://127.0.0.1:1"), 3, ("cannot be reached",)),
    ],
)
def test_bad_input_ends_with_one_clear_line(
    words: tuple[str, ...], code: int, said: tuple[str, ...]
) -> None:
    one_line(run("livesale", "load", *words), code, *said)


def test_plain_locust_refuses_a_stranger_too() -> None:
    file = str(SCENARIOS["soak"].file)
    done = run("locust", "-f", file, "--headless", "--host", "http://192.0.2.7", "-t", "5s")
    one_line(done, 2, "--i-own-this-host 192.0.2.7")


def test_a_token_that_is_no_operators_is_one_clear_line(system: System, tmp_path: Path) -> None:
    environment = {**system.environment, "LIVESALE_LOAD_OPERATOR_TOKEN": system.tokens(1)[0]}
    words = ("--host", system.url, *SIZES, "--report", str(tmp_path / "report"))
    done = run("livesale", "load", "soak", *words, **environment)
    assert done.returncode == 3
    assert "livesale: the operator's token is refused" in done.stderr


def test_a_report_is_not_written_over_another(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    one_line(run("livesale", "load", "soak", "--report", str(tmp_path)), 2, "holds another run")


def test_the_scenarios_are_listed() -> None:
    done = run("livesale", "load", "--list")
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(SCENARIOS)
