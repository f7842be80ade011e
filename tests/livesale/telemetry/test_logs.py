"""Nothing secret is printed, whatever a caller hands to the log."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from livesale.settings import load_settings
from livesale.telemetry import logs
from livesale.tokens.signing import TokenSigner

SECRET = "a-secret-of-the-settings"
TOKEN = "a-foreign-token"
OURS = TokenSigner("k1", b"x" * 32).buyer("b1")


@pytest.fixture(autouse=True)
def restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def out() -> io.StringIO:
    """The stream of a process whose logs are set up as JSON."""
    stream = io.StringIO()
    settings = load_settings(
        auth__secret=SECRET, auth__old_keys={"k0": "an-older-secret"}, log__format="json"
    )
    logs.setup(settings, "api-0", stream)
    return stream


def only_line(out: io.StringIO) -> dict[str, Any]:
    (line,) = out.getvalue().splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


def test_one_line_of_json_with_utc_time_and_process(out: io.StringIO) -> None:
    structlog.get_logger().info("drop_opened", drop_id="d1", units=3)
    line = only_line(out)
    assert line.pop("at").endswith("Z")
    assert line == {
        "event": "drop_opened",
        "level": "info",
        "process": "api-0",
        "drop_id": "d1",
        "units": 3,
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"token": TOKEN},
        {"buyer_token": TOKEN},
        {"Authorization": f"Bearer {TOKEN}"},
        {"openid": TOKEN},
        {"code": TOKEN},
        {"secret": TOKEN},
        {"headers": {"Authorization": f"Bearer {TOKEN}", "x": [{"openid": TOKEN}]}},
        {"headers": [("a", f"Bearer {TOKEN}")]},
        {"url": f"https://api/sns?appid=1&secret={TOKEN}&js_code={TOKEN}&x=1"},
        {"body": f'{{"code": "{TOKEN}", "provider": "wechat"}}'},
        {"body": f'{{"openid":"{TOKEN}","session_key":"{TOKEN}"}}'.encode()},
        {"body": {"code": TOKEN}},
        {"error": ValueError(f"bad token={TOKEN}")},
        {"note": f"authorization: bearer {TOKEN}"},
        {"url": f"mysql://root:{TOKEN}@db/livesale"},
        {"path": f"/v1/{OURS}/x", "list": [f"({OURS})"]},
        {"value": f"it is {SECRET} or an-older-secret"},
    ],
)
def test_a_secret_is_never_printed(out: io.StringIO, fields: dict[str, Any]) -> None:
    structlog.get_logger().warning("handed_over", **fields)
    for secret in (TOKEN, OURS, SECRET, "an-older-secret"):
        assert secret not in out.getvalue()
    assert logs.REDACTED in out.getvalue()


@pytest.mark.parametrize(
    "text",
    ["exit_code=3", "the code: 7", "status_code=404", "tokens 5", "redis://127.0.0.1:6379/0"],
)
def test_ordinary_words_stay(out: io.StringIO, text: str) -> None:
    structlog.get_logger().info(text)
    assert only_line(out)["event"] == text


def test_an_exception_is_printed_without_its_secrets(out: io.StringIO) -> None:
    try:
        raise RuntimeError(f"refused: secret={TOKEN} {SECRET}")
    except RuntimeError:
        structlog.get_logger().exception("broke")
    line = only_line(out)
    assert "RuntimeError: refused" in line["exception"]
    assert TOKEN not in line["exception"]
    assert SECRET not in line["exception"]


def test_the_standard_library_goes_the_same_way(out: io.StringIO) -> None:
    logging.getLogger("aiohttp.server").error("GET /x?token=%s", TOKEN)
    line = only_line(out)
    line.pop("at")
    assert line == {
        "event": f"GET /x?token={logs.REDACTED}",
        "level": "error",
        "logger": "aiohttp.server",
        "process": "api-0",
    }


def test_the_level_of_the_settings_holds() -> None:
    stream = io.StringIO()
    logs.setup(load_settings(log__level="warning", log__format="console"), "writer", stream)
    structlog.get_logger().info("too quiet")
    logging.getLogger("redis").info("too quiet")
    structlog.get_logger().warning("heard", openid=TOKEN)
    assert "too quiet" not in stream.getvalue()
    assert "heard" in stream.getvalue()
    assert TOKEN not in stream.getvalue()
