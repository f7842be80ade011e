"""The loader refuses malformed scripts when the process starts."""

from pathlib import Path

import pytest

from stock.errors import ScriptError
from stock.scripts import load, load_engine

HEADER = """#!lua
-- sell: sells.
--
-- KEYS  1 drop_key   hash
-- ARGV  1 epoch      integer
--       2 rids...    texts
-- RETURNS  nothing
-- LOGS     nothing
"""


def write(folder: Path, text: str, **includes: str) -> Path:
    (folder / "includes").mkdir()
    (folder / "sell.lua").write_text(text)
    for name, body in includes.items():
        (folder / "includes" / f"{name}.lua").write_text(body)
    return folder


def test_every_script_of_ours_loads_with_its_includes_pasted() -> None:
    scripts = load_engine()

    for script in scripts.values():
        assert "--!include" not in script.source
        assert len(script.sha) == 40
    assert scripts["reserve"].keys == (
        "epoch_key",
        "drop_key",
        "buyers_key",
        "reservations_key",
        "due_key",
        "log_key",
        "campaigns_key",
    )
    assert scripts["reserve"].repeats


def test_arguments_are_passed_by_the_names_of_the_header(tmp_path: Path) -> None:
    script = load("sell", write(tmp_path, HEADER))

    command = script.arrange({"drop_key": "ls:d", "other": "x"}, {"epoch": 7}, ["r1", "r2"])

    assert command == ["EVALSHA", script.sha, 1, "ls:d", 7, "r1", "r2"]
    with pytest.raises(KeyError, match="epoch"):
        script.arrange({"drop_key": "ls:d"}, {})


def test_a_nested_include_is_pasted_once(tmp_path: Path) -> None:
    folder = write(
        tmp_path, HEADER + "--!include a\nreturn a()\n", a="--!include b\n-- A", b="-- B"
    )

    assert load("sell", folder).source.endswith("-- B\n-- A\nreturn a()\n")


@pytest.mark.parametrize(
    ("text", "includes", "reason"),
    [
        (HEADER + "--!include gone\n", {}, "include gone is missing"),
        (HEADER + "--!include a\n--!include a\n", {"a": "-- A"}, "include a is repeated"),
        (
            HEADER + "--!include a\n",
            {"a": "--!include b", "b": "--!include a"},
            "include a is circular",
        ),
        (HEADER.replace("#!lua\n", "-- no shebang\n"), {}, "first line must be #!lua"),
        (HEADER.replace("-- LOGS     nothing\n", ""), {}, "header lacks LOGS"),
        (HEADER.replace("2 rids", "3 rids"), {}, "ARGV 3 is out of order"),
    ],
)
def test_a_malformed_script_is_refused_with_the_reason(
    tmp_path: Path, text: str, includes: dict[str, str], reason: str
) -> None:
    folder = write(tmp_path, text, **includes)

    with pytest.raises(ScriptError, match=f"sell.lua: .*{reason}"):
        load("sell", folder)


def test_a_missing_script_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match="no such script"):
        load("nothing", tmp_path)
