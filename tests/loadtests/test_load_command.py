"""`livesale load`: what it refuses, each in one clear line."""

from pathlib import Path

import pytest

from livesale.cli.faults import FAILED, REFUSED
from loadtests.scenarios import SCENARIOS
from tests.command import Run, refused, succeeded


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("flash_spke",), REFUSED, ("no scenario 'flash_spke'", "flash_spike")),
        (("soak", "--host", "http://192.0.2.7"), REFUSED, ("--i-own-this-host 192.0.2.7",)),
        (("soak", "--host", "localhost"), REFUSED, ("is no target",)),
        (("soak", "--host", "http://127.0.0.1:1"), FAILED, ("cannot be reached",)),
    ],
)
def test_bad_input_ends_with_one_clear_line(
    livesale: Run, words: tuple[str, ...], code: int, said: tuple[str, ...]
) -> None:
    refused(livesale("load", *words), code, *said)


def test_a_report_is_not_written_over_another(livesale: Run, tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    done = livesale("load", "soak", "--report", str(tmp_path))
    refused(done, REFUSED, "holds another run")


def test_the_scenarios_are_listed(livesale: Run) -> None:
    said = succeeded(livesale("load", "--list"))
    assert [line.split()[0] for line in said.splitlines()] == list(SCENARIOS)
