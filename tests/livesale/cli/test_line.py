"""`livesale line check`: the order of a line, from what was published."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from livesale.cli.app import app
from livesale.draws.lots import commitment_of, entry_id_of, list_hash_of, order_of
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


ENTRIES = [entry_id_of("0a" * 32, f"buyer-{number}") for number in range(40)]
ORDER = order_of(SEED, ENTRIES)
DRAW = {
    "drop_id": "shoes",
    "commitment": commitment_of(SEED),
    "seed": SEED,
    "list_hash": list_hash_of(ENTRIES),
    "entry_ids": ENTRIES,
    "order": ORDER,
}


def test_a_true_draw_holds(tmp_path: Path) -> None:
    code, said = check(tmp_path, DRAW)
    assert (code, "The draw holds: 40 entries" in said) == (0, True)
    third = ENTRIES[ORDER[2]]
    code, said = check(tmp_path, DRAW, "--entry", third, "--position", "2")
    assert (code, f"{third} has the position 2." in said) == (0, True)


@pytest.mark.parametrize(
    ("changes", "options", "reason"),
    [
        ({"seed": "00" * 32}, [], "not that of the seed"),
        ({"seed": "00" * 32}, [], "the order is not that of the lots"),
        ({"entry_ids": ENTRIES[::-1]}, [], "list's hash"),
        ({"entry_ids": [*ENTRIES, ENTRIES[0]]}, [], "twice"),
        ({"order": [*ORDER[:5], ORDER[6], ORDER[5], *ORDER[7:]]}, [], "from rank 5 on"),
        ({"order": ORDER[:-1]}, [], "from rank 40 on"),
        ({}, ["--commitment", "00"], "not the one that was shown"),
        ({}, ["--entry", "ffff"], "not in the list"),
        ({}, ["--entry", ENTRIES[ORDER[2]], "--position", "3"], "has the position 2, not 3"),
        ({}, ["--index", "3"], "give --entry"),
    ],
)
def test_what_does_not_match_in_a_draw_is_named(
    tmp_path: Path, changes: dict[str, object], options: list[str], reason: str
) -> None:
    code, said = check(tmp_path, DRAW | changes, *options)
    assert (code, reason in said) == (1, True), said


@pytest.mark.parametrize("changes", [{"entry_ids": 3}, {"order": None}, {"seed": 5}])
def test_what_is_no_draw_cannot_be_read(tmp_path: Path, changes: dict[str, object]) -> None:
    assert check(tmp_path, DRAW | changes)[0] == 3
