"""`make bench`: it runs, and it has every figure. What the figures are is no matter of tests."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks import machine, names, page, workers
from benchmarks.__main__ import main
from benchmarks.pictures import pictures
from benchmarks.records import Records
from benchmarks.report import Report
from benchmarks.scale import QUICK
from benchmarks.tables import TITLES
from benchmarks.targets import TARGETS, judge
from loadtests.open_loop.result import Result

CELLS = {value for name, value in vars(names).items() if name.isupper()}
ENGINE = {names.batches(size, where) for size in (1, 8, 64, 256) for where in ("memory", "fsync")}
ENGINE |= {names.batcher(512, where) for where in ("memory", "fsync")}
ENGINE |= {names.workers(count) for count in workers.WORKERS}


@pytest.mark.timeout(400)  # it pins itself to cores that other tests use
@pytest.mark.soak
def test_a_quick_run_has_every_figure(tmp_path: Path) -> None:
    # When the command runs as CI runs it
    path = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]

    # Then every cell of every figure was measured once, and is a true rate, size or time
    found: dict[str, Any] = json.loads(path.read_text())
    series = {cell["name"]: cell for cell in found["records"]["series"]}
    assert set(series) == CELLS | ENGINE
    assert {cell["figure"] for cell in series.values()} == set(TITLES)
    assert all(len(cell["values"]) == 1 and cell["values"][0] > 0 for cell in series.values())

    # And the audit was clean after the round, over HTTP and open loop alike
    assert [text.split(":")[0] for text in found["records"]["audits"]] == ["13 checks hold"] * 2
    assert all(set(run["answers"]) == {"201"} for run in found["records"]["at_seventy"])

    # And each target has its verdict
    words = {verdict["target"]["says"]: verdict["met"] for verdict in found["verdicts"]}
    assert list(words) == [target.says for target in TARGETS]
    assert None not in words.values()


def test_a_run_is_written_into_the_page(tmp_path: Path) -> None:
    # Given the page as it is, and a run
    before = (page.DOCS / "benchmarks.md").read_text()
    (tmp_path / "benchmarks.md").write_text(before)
    report = some_report()

    # When the run is written there, twice
    page.write(report, tmp_path)
    once = (tmp_path / "benchmarks.md").read_text()
    page.write(report, tmp_path)

    # Then every place has its table, all else stands, and a second time changes nothing
    assert (tmp_path / "benchmarks.md").read_text() == once
    for place in ("headline", "targets", *TITLES):
        table = once.split(f"<!-- {place}: begin -->")[1].split(f"<!-- {place}: end -->")[0]
        assert "\n|---|--:|" in table
    assert "| durable reservations | 700 a second | 7 × FastAPI with one script call" in once
    assert "| reserve / naive on FastAPI | ≥ 15 | 6 | 7 | 8 | 0.5 | not met |" in once
    assert "| 2,000 | 1,990 | 1.5 | 2 | 30 | never | 10 |" in once
    assert _words(once) == _words(before)

    # And its pictures are drawings that need nothing else
    drawn = dict(pictures(report))
    assert set(drawn) == {"http.svg", "engine.svg", "writer.svg", "latency.svg"}
    for name, picture in drawn.items():
        assert (tmp_path / "benchmarks" / name).read_text() == picture
        assert f"](benchmarks/{name})" in once
        assert ElementTree.fromstring(picture).tag.endswith("svg")
        assert "<script" not in picture


def some_report() -> Report:
    """Three rounds of every figure, with one cell or two in each."""
    records = Records()
    for number in (6.0, 7.0, 8.0):
        records.add("http", names.FASTAPI, 100.0, "requests/s", cpu_us=40.0, beside_ms=10.0)
        reserved = 100.0 * number
        records.add("http", names.RESERVE_LANE, reserved, "requests/s", cpu_us=80.0, beside_ms=10.0)
        for figure in set(TITLES) - {"http"}:
            records.add(figure, f"cell of {figure}", number, "units")
    never = {"timed out": 10}
    latency_ms = {"50": 1.5, "90": 2.0, "99": 30.0, "99.9": None, "100": None}
    records.curve = [
        Result(rate, 1, "Poisson", 9, 1, 2000, 1990, 1990, 1990, latency_ms, latency_ms, {}, never)
        for rate in (1000, 2000)
    ]
    return Report(machine.describe(), QUICK, 61.0, records, judge(records))


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
