"""`make bench`: it runs, and it has every figure. What the figures are is no matter of tests."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest

from benchmarks import names, page
from benchmarks.__main__ import main
from benchmarks.pictures import pictures
from benchmarks.report import Report
from benchmarks.shop import HAS_FAST_LANE
from benchmarks.tables import TITLES

LANE = {names.RESERVE_LANE, names.SOLD_OUT_LANE}
CELLS = {value for name, value in vars(names).items() if name.isupper()}
ENGINE = {names.batches(size, where) for size in (1, 8, 64, 256) for where in ("memory", "fsync")}
ENGINE |= {names.batcher(512, where) for where in ("memory", "fsync")}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The JSON of a quick run, made by the command."""
    path = tmp_path_factory.mktemp("bench") / "figures.json"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "Targets" in done.stdout
    return path


def test_a_quick_run_has_every_figure(measured: Path) -> None:
    # Given what a quick run wrote
    found: dict[str, Any] = json.loads(measured.read_text())
    series = {cell["name"]: cell for cell in found["records"]["series"]}

    # Then every cell of every figure was measured once, and is a true rate, size or time
    assert set(series) == (CELLS | ENGINE) - (set() if HAS_FAST_LANE else LANE)
    assert {cell["figure"] for cell in series.values()} == set(TITLES)
    assert all(len(cell["values"]) == 1 and cell["values"][0] > 0 for cell in series.values())

    # And the audit was clean after the round, over HTTP and open loop alike
    assert [text.split(":")[0] for text in found["records"]["audits"]] == ["12 checks hold"]
    assert all(set(run["answers"]) == {"201"} for run in found["records"]["at_seventy"])

    # And each target has its verdict
    words = {verdict["target"]["says"]: verdict["met"] for verdict in found["verdicts"]}
    assert len(words) == 13
    unmeasured = {says for says, met in words.items() if met is None}
    assert unmeasured == (
        set()
        if HAS_FAST_LANE
        else {"reserve / hello, through the fast lane", "reserve / naive", "sold out / hello"}
    )


def test_a_run_is_written_into_the_page(measured: Path, tmp_path: Path) -> None:
    # Given the page as it is, and a run
    before = (page.DOCS / "benchmarks.md").read_text()
    (tmp_path / "benchmarks.md").write_text(before)
    report = msgspec.json.decode(measured.read_bytes(), type=Report)

    # When the run is written there, twice
    page.write(report, tmp_path)
    once = (tmp_path / "benchmarks.md").read_text()
    page.write(report, tmp_path)

    # Then every place has its table, all else stands, and a second time changes nothing
    assert (tmp_path / "benchmarks.md").read_text() == once
    for place in ("targets", *TITLES):
        table = once.split(f"<!-- {place}: begin -->")[1].split(f"<!-- {place}: end -->")[0]
        assert "\n|---|--:|" in table
    assert _words(once) == _words(before)

    # And its pictures are drawings that need nothing else
    drawn = dict(pictures(report))
    assert set(drawn) == {"http.svg", "engine.svg", "writer.svg", "latency.svg"}
    for name, picture in drawn.items():
        assert (tmp_path / "benchmarks" / name).read_text() == picture
        assert f"](benchmarks/{name})" in once
        assert ElementTree.fromstring(picture).tag.endswith("svg")
        assert "<script" not in picture


def test_a_part_of_a_run_is_not_written() -> None:
    for part in (["--quick"], ["--only", "engine"]):
        with pytest.raises(SystemExit, match="2"):
            main(["--write", *part])


def _words(text: str) -> list[str]:
    """The page without what stands between its markers."""
    lines, inside = [], False
    for line in text.splitlines():
        if ": begin -->" in line:
            inside = True
        if not inside:
            lines.append(line)
        if ": end -->" in line:
            inside = False
    return lines
