"""The codes of Python and of Lua are the same words."""

import re

import pytest

from stock.line.model import (
    JoinCode,
    LeaveCode,
    LineCloseCode,
    LineOpenCode,
    ServeCode,
)
from stock.model import (
    AdjustCode,
    ArchiveCode,
    ConfirmCode,
    DropTerms,
    GrantCode,
    OpenCode,
    ReleaseCode,
    ReserveCode,
    StateCode,
    TakeBackCode,
)
from stock.scripts import lua_folder

WORD = re.compile(r"'([A-Z][A-Z_]+)(?:\|)?'")
REDIS_WORDS = {
    *("GET", "HGET", "HMGET", "HSET", "HLEN", "TIME", "STREAM"),
    *("XADD", "XLEN", "XINFO", "XRANGE", "ZADD", "ZREM", "ZCARD", "UNLINK", "COUNT"),
}


def codes_in(*files: str) -> set[str]:
    found: set[str] = set()
    for file in files:
        text = (lua_folder() / file).read_text()
        body = "\n".join(line for line in text.split("\n") if not line.startswith("--"))
        found |= set(WORD.findall(body))
    return found - REDIS_WORDS - {"OK"}


@pytest.mark.parametrize(
    ("codes", "files"),
    [
        (ReserveCode, ["stock/reserve.lua", "includes/selling.lua"]),
        (ConfirmCode, ["stock/confirm.lua"]),
        (GrantCode, ["stock/grant.lua", "includes/selling.lua"]),
        (ReleaseCode, ["stock/release.lua"]),
        (OpenCode, ["stock/open_drop.lua"]),
        (AdjustCode, ["stock/adjust_drop.lua"]),
        (TakeBackCode, ["stock/take_back.lua"]),
        (ArchiveCode, ["stock/archive_drop.lua"]),
        (LineOpenCode, ["line/open.lua"]),
        (JoinCode, ["line/join.lua"]),
        (LeaveCode, ["line/leave.lua"]),
        (LineCloseCode, ["line/close.lua"]),
        (StateCode, ["stock/switch_drop.lua", "stock/close_drop.lua", "includes/change_state.lua"]),
    ],
)
def test_lua_answers_exactly_the_codes_that_python_knows(codes, files) -> None:
    assert codes_in(*files) == {code.value for code in codes}


def test_serve_answers_the_codes_that_python_knows() -> None:
    """A sale that is over ends the line, so its code is none of them."""
    for script in ("line/serve.lua", "line/hold.lua"):
        found = codes_in(script, "includes/selling.lua", "includes/line_end.lua")
        assert found | {"GONE", "VOID"} == {code.value for code in ServeCode} | {"CLOSED"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("opens_ms", -1),
        ("closes_ms", 0),
        ("hold_ms", 0),
        ("buyer_limit", 0),
        ("buyer_limit", 1001),
        ("price_fen", -1),
        ("allotted", -1),
        ("allotted", 100_000_001),
        ("expired_limit", -1),
        ("closes_ms", 10**13),
    ],
)
def test_terms_out_of_range_are_refused_by_name(field: str, value: int) -> None:
    good = {
        "opens_ms": 0,
        "closes_ms": 10,
        "hold_ms": 1,
        "buyer_limit": 1,
        "price_fen": 0,
        "allotted": 0,
    }

    with pytest.raises(ValueError, match=field):
        DropTerms(**(good | {field: value}))


def test_a_drop_cannot_close_before_it_opens() -> None:
    with pytest.raises(ValueError, match="closes_ms must be after opens_ms"):
        DropTerms(10, 10, 1, 1, 1, 1)
