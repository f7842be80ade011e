"""`make bench-room`: it runs, has every figure, and says what it needs. Figures are not tested."""

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import page
from benchmarks.room import names
from benchmarks.room.__main__ import main
from benchmarks.room.scale import QUICK

ONCE = {name for key, name in vars(names).items() if key.startswith(("STORM", "SLOW", "ALONE"))}
EACH = {name for key, name in vars(names).items() if key.isupper()} - ONCE


@pytest.mark.timeout(400)  # it pins itself to cores that other tests use
@pytest.mark.soak
def test_a_quick_run_has_every_figure(tmp_path: Path) -> None:
    # When the command runs as CI runs it
    path = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks.room", "--quick", "--json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]

    # Then every cell was measured once: a gap, a repeat or a lost promise would have ended it
    found: dict[str, Any] = json.loads(path.read_text())
    series = {cell["name"]: cell for cell in found["records"]["series"]}
    assert set(series) == ONCE | {names.at(name, size) for name in EACH for size in QUICK.viewers}
    assert all(len(cell["values"]) == 1 for cell in series.values())
    assert series[names.SLOW_CLOSED]["values"] == [100]
    assert [text.split(":")[0] for text in found["records"]["audits"]] == ["13 checks hold"]

    # And each target has its verdict, and the page a place for each table
    assert all(verdict["met"] is not None for verdict in found["verdicts"])
    text = (page.DOCS / "benchmarks.md").read_text()
    for place in ("room-targets", "room", "storm", "slow"):
        assert f"<!-- {place}: begin -->" in text


def test_too_few_open_files_are_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1_024, 4_096))

    def refuse(_: int, __: tuple[int, int]) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert main([]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "`ulimit -n 10500`" in said
