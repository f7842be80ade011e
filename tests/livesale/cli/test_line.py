"""`livesale line check`: the order of a line, from what was published."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from livesale.cli.app import app
from livesale.draws.lots import commitment_of
from livesale.draws.order import Order

SEED, CLOSING = "5e" * 32, "1790000000000-3"
RECORD = {
    "drop_id": "shoes",
    "state": "open",
    "commitment": commitment_of(SEED),
    "seed": SEED,
    "n0": 1_000,
    "closing_id": CLOSING,
}
POSITION = Order(SEED, 1_000, CLOSING).position_of(17)


def check(folder: Path, record: object, *options: str) -> tuple[int, str]:
    path = folder / "line.json"
    path.write_text(record if isinstance(record, str) else json.dumps(record))
    result = CliRunner().invoke(app, ["line", "check", str(path), *options])
    return result.exit_code, result.output


def test_a_true_record_holds(tmp_path: Path) -> None:
    code, said = check(tmp_path, RECORD)
    assert (code, "1,000 early places" in said) == (0, True)
    options = ("--index", "17", "--position", str(POSITION))
    code, said = check(tmp_path, RECORD, *options, "--commitment", RECORD["commitment"])
    assert code == 0
    assert f"Place 17 has the position {POSITION}." in said


@pytest.mark.parametrize(
    ("changes", "options", "reason"),
    [
        ({"seed": "00" * 32}, [], "not that of the seed"),
        ({}, ["--commitment", "00"], "not the one that was shown"),
        ({}, ["--index", "17", "--position", str(POSITION + 1)], "has the position"),
        ({"n0": 999}, ["--index", "17", "--position", str(POSITION)], "has the position"),
    ],
)
def test_what_does_not_match_is_named(
    tmp_path: Path, changes: dict[str, object], options: list[str], reason: str
) -> None:
    code, said = check(tmp_path, RECORD | changes, *options)
    assert (code, reason in said) == (1, True), said


@pytest.mark.parametrize(
    "record", ["", "{}", "[]", RECORD | {"seed": "xy"}, RECORD | {"seed": "", "closing_id": ""}]
)
def test_what_is_no_record_cannot_be_read(tmp_path: Path, record: object) -> None:
    code, _ = check(tmp_path, record)
    assert code == 3
