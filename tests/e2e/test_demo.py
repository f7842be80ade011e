"""The demo as a newcomer starts it, small. That it sells is in test_wheel.py."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import pytest

SMALL = ["--buyers", "400", "--stock", "40", "--seconds", "3", "--workers", "2"]


def demo(temp: Path, *flags: str) -> subprocess.Popen[str]:
    """`livesale demo` with a temp dir of its own; its session is its own, too."""
    return subprocess.Popen(
        [sys.executable, "-m", "livesale", "demo", *SMALL, *flags],
        env={**os.environ, "TMPDIR": str(temp)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_hear_signals,
    )


def _hear_signals() -> None:
    """As a terminal starts it, even where the tests run under nohup, or in the background."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def living(temp: Path) -> set[int]:
    """Processes that belong to demos with this temp dir."""
    mark = f"TMPDIR={temp}\0".encode()
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            inside = mark in Path(f"/proc/{pid}/environ").read_bytes()
            titled = f"{temp}/".encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
            dead = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            continue
        if (inside or titled) and not dead:
            found.add(int(pid))
    return found


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGHUP, marks=pytest.mark.soak)]
)
def test_ctrl_c_or_a_closed_terminal_leaves_nothing_behind(number: signal.Signals) -> None:
    with tempfile.TemporaryDirectory() as name:
        temp = Path(name)
        watched: list[int] = []
        process = demo(temp, "--seconds", "60")  # it must not end by itself
        assert process.stdout is not None
        for text in process.stdout:  # plain lines in a pipe
            assert "\x1b" not in text
            if found := re.search(r"watch it in a browser: (http\S+)", text):
                with urllib.request.urlopen(found[1]) as answer:  # while it runs
                    watched.append(answer.status)
            if "first units are held" in text:
                break
        process.send_signal(number)
        try:
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
        assert process.returncode == 130, errors
        assert watched == [200]
        assert_nothing_is_left(temp)


@pytest.mark.soak
def test_a_closed_pipe_ends_it_without_a_word() -> None:
    with tempfile.TemporaryDirectory() as name:
        temp = Path(name)
        process = demo(temp)
        assert process.stdout is not None
        assert process.stderr is not None
        # given a reader who has seen enough, as `head -3` has
        for _ in range(3):
            assert process.stdout.readline()
        process.stdout.close()
        # then it ends by itself
        try:
            code = process.wait(timeout=60)
        finally:
            process.kill()
        assert (code, process.stderr.read()) == (141, "")
        process.stderr.close()
        assert_nothing_is_left(temp)


def assert_nothing_is_left(temp: Path) -> None:
    """Neither a process nor a file; the last to die may take a moment."""
    deadline = time.monotonic() + 10
    while living(temp) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert living(temp) == set()
    assert list(temp.iterdir()) == []


def test_a_small_show_holds_every_promise(tmp_path: Path) -> None:
    """A room, a drop, a lucky bag, a storm of all viewers, the audit."""
    flags = ["--live", "--viewers", "40", "--stock", "15", "--workers", "2", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "livesale", "demo", *flags],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        out, errors = process.communicate(timeout=200)
    finally:
        process.kill()
    # then every promise held, of the show and of the audit
    assert process.returncode == 0, f"{errors}\n{out}"
    result = json.loads(out)
    assert [check["title"] for check in result["checks"] if check["wrong"]] == []
    assert all(check["ok"] for check in result["audit"])
    # and it was a show: all watched and came back, units and prizes were sold
    figures = result["figures"]
    assert figures["viewers"] == 40 <= figures["peak"]
    assert figures["sold"] > 0 and figures["prizes_claimed"] == 5
    assert figures["events_told"] > 40 * 10
    # and nothing is left
    assert living(tmp_path) == set()
    assert list(tmp_path.iterdir()) == []
