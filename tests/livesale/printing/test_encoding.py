"""Printing in any encoding, and exit codes of what nobody foresaw."""

import asyncio
import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from livesale.cli import main
from livesale.cli.faults import BROKEN, CRASHED, FAILED, INTERRUPTED, REFUSED
from livesale.printing.encoding import REPLACE, to_json
from livesale.settings import PREFIX, load_settings
from livesale.telemetry import logs

TITLE = "茶具 ✓ ¥ é 👍"
ENCODINGS = ["ascii", "gbk", "iso-8859-1", "utf-8"]

Said = tuple[int, str, str]
Run = Callable[..., Said]


@pytest.fixture
def spoken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs `main()` with standard streams of an encoding, strict as Python opens them."""
    for name in list(os.environ):
        if name.startswith(PREFIX):
            monkeypatch.delenv(name)
    monkeypatch.setenv(f"{PREFIX}DATA_DIR", str(tmp_path / "茶"))
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def run(encoding: str, *words: str) -> Said:
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding, "strict") for _ in range(2))
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            patch.setattr(sys, "argv", ["livesale", *words])
            with pytest.raises(SystemExit) as ended:
                main()
            said = [stream.buffer.getvalue().decode(encoding) for stream in (out, err)]  # type: ignore[attr-defined]
        assert isinstance(ended.value.code, int)
        return ended.value.code, *said

    yield run
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_every_command_prints_in_every_encoding(spoken: Run) -> None:
    # given a drop whose title no other encoding than UTF-8 can carry
    new = ("--title", TITLE, "--price-fen", "9900", "--stock", "3", "--json")
    made = json.loads(spoken("utf-8", "drop", "create", *new)[1])
    assert made["title"] == TITLE
    for encoding in ("gbk", "iso-8859-1"):
        # then what is well is exit 0, JSON has the same values, and people read the rest
        code, shown, _ = spoken(encoding, "drop", "list")
        assert (code, made["drop_id"] in shown) == (0, True)
        code, shown, _ = spoken(encoding, "drop", "list", "--json")
        assert (code, json.loads(shown)[0]["title"]) == (0, TITLE)
        code, shown, _ = spoken(encoding, "audit", "--settle", "0")
        assert (code, "The books hold." in shown) == (0, True)
        assert spoken(encoding, "doctor")[0] == 0
        assert spoken(encoding, "--help")[0] == 0
        # and what is refused stays a refusal
        code, _, error = spoken(encoding, "token", "--buyer", TITLE)
        assert (code, "Error" in error) == (REFUSED, True)
        code, _, error = spoken(encoding, "doctor", "--redis", "茶://✓")
        assert (code, "LIVESALE__REDIS__URL" in error) == (REFUSED, True)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_log_line_is_json_in_every_encoding(encoding: str) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding, "strict")
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        logs.setup(load_settings(log__format="json"), "test", out)
        structlog.get_logger().error(TITLE, file=os.fsdecode(b"\xff"))
        out.flush()
        line = json.loads(out.buffer.getvalue().decode(encoding))  # type: ignore[attr-defined]
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()
    assert (line["event"], line["file"]) == (TITLE, "?")


def test_what_an_encoding_lacks_is_replaced() -> None:
    assert "✓ ¥1 … 茶".encode("ascii", REPLACE) == b"+ CNY 1 ... ?"
    assert os.fsdecode(b"a\xff").encode("utf-8", REPLACE) == b"a?"
    stream = io.TextIOWrapper(io.BytesIO(), "ascii")
    assert to_json("👍", stream) == '"\\ud83d\\udc4d"'


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (ZeroDivisionError("by ¥"), CRASHED),
        (MemoryError(), CRASHED),
        (asyncio.CancelledError(), CRASHED),
        (BaseExceptionGroup("both", [KeyError("a"), KeyboardInterrupt()]), CRASHED),
        (KeyboardInterrupt(), INTERRUPTED),
        (EOFError(), INTERRUPTED),
        (BrokenPipeError(32, "of a child"), FAILED),
        (OSError(28, "No space left on device", "/x"), FAILED),
    ],
)
def test_no_fault_has_the_exit_code_of_a_verdict(
    spoken: Run, monkeypatch: pytest.MonkeyPatch, fault: BaseException, code: int
) -> None:
    def fail(**_: object) -> None:
        raise fault

    monkeypatch.setattr("livesale.settings.load_settings", fail)
    found, out, error = spoken("iso-8859-1", "audit")
    assert (found, out) == (code, "")
    assert found != BROKEN
    assert ("Traceback" in error) == (code == CRASHED)


@pytest.mark.parametrize(
    ("how", "code"), [(">/dev/full", FAILED), (">&-", 0), (">&- 2>&- <&-", 0)], ids=str
)
def test_output_that_goes_nowhere(how: str, code: int) -> None:
    command = f"{sys.executable} -m livesale --help {how}"
    assert subprocess.run(["bash", "-c", command], stderr=subprocess.PIPE).returncode == code
