"""The header of a script is its contract: these tests hold header, body and log together."""

import re

import pytest

from stock.scripts import VERBS, load, lua_folder

FILES = sorted(path.stem for path in lua_folder().glob("*.lua"))


def source_of(name: str) -> str:
    return (lua_folder() / f"{name}.lua").read_text()


def body_of(name: str) -> str:
    lines = source_of(name).split("\n")
    return "\n".join(line for line in lines if not line.startswith("--"))


def bound_to(table: str, body: str) -> dict[str, int]:
    """`local a, b = KEYS[1], KEYS[2]` → {"a": 1, "b": 2}."""
    bound: dict[str, int] = {}
    for names, values in re.findall(r"^local ([\w, ]+) = (.+)$", body, re.MULTILINE):
        for name, value in zip(names.split(","), values.split(","), strict=False):
            place = re.search(rf"\b{table}\[(\d+)\]", value, re.IGNORECASE)
            if place:
                bound[name.strip()] = int(place[1])
    return bound


def test_every_file_is_a_verb_and_every_verb_a_file() -> None:
    assert sorted(VERBS) == FILES


@pytest.mark.parametrize("name", FILES)
def test_the_header_starts_with_the_name_and_what_it_does(name: str) -> None:
    first, second = source_of(name).split("\n")[:2]

    assert first in ("#!lua", "#!lua flags=no-writes")
    assert re.fullmatch(rf"-- {name}: \S.*", second)


@pytest.mark.parametrize("name", FILES)
def test_the_body_binds_exactly_the_keys_of_the_header(name: str) -> None:
    script, body = load(name), body_of(name)

    assert bound_to("KEYS", body) == {key: n for n, key in enumerate(script.keys, 1)}
    assert {int(n) for n in re.findall(r"KEYS\[(\d+)\]", body)} == set(
        range(1, len(script.keys) + 1)
    )
    for key in script.keys:
        assert len(re.findall(rf"\b{key}\b", body)) > 1, f"{key} is declared and never used"


@pytest.mark.parametrize("name", FILES)
def test_the_body_binds_exactly_the_arguments_of_the_header(name: str) -> None:
    script, body = load(name), body_of(name)
    named = script.args[:-1] if script.repeats else script.args

    assert bound_to("ARGV", body) == {arg: n for n, arg in enumerate(named, 1)}


@pytest.mark.parametrize("name", FILES)
def test_redis_is_called_only_on_declared_keys(name: str) -> None:
    """Every key in a call is a name of the header, or a parameter of an include."""
    script = load(name)
    calls = re.findall(r"redis\.p?call\('(\w+)'(?:, ([^,)]+))?", script.source)

    for command, key in calls:
        if command == "TIME":
            assert key == ""
        elif command == "XINFO":
            assert key == "'STREAM'"
        else:
            assert key in (*script.keys, "key"), f"{command} on {key}"


@pytest.mark.parametrize("name", FILES)
def test_nothing_is_read_or_refused_after_the_first_write(name: str) -> None:
    """A Lua error keeps the writes before it: so all checks stand before the first write."""
    body = body_of(name)
    writes = [m.start() for m in re.finditer(r"'(HSET|ZADD|XADD)'", body)]
    if not writes:
        return
    after = body[writes[0] :]

    assert "broken_books" not in after
    assert "check_log" not in after
    assert not re.search(r"'(GET|HGET|HMGET|ZCARD|XLEN)'", after)
    assert "return redis.error_reply" not in after


@pytest.mark.parametrize("name", FILES)
def test_a_writing_script_checks_epoch_books_and_log_first(name: str) -> None:
    script, body = load(name), body_of(name)
    logs = re.search(r"^-- LOGS +(\w+)", source_of(name), re.MULTILINE)
    assert logs
    if "no-writes" in source_of(name).split("\n")[0]:
        assert logs[1] == "nothing"
        return

    fence = body.find("redis.call('GET', epoch_key) ~= epoch")
    first_write = body.find("'HSET'")
    assert fence >= 0
    assert first_write == -1 or fence < first_write
    kind = logs[1]
    assert re.search(rf"append_log\(log_key, '{kind}'|drop, '{kind}', drop|'{kind}', drop, ", body)
    assert "local function broken_books" in script.source
    assert "local function check_log" in script.source
