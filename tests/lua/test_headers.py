"""The header of a script is its contract: these tests hold header, body and log together."""

import re

import pytest

from stock.scripts import load, load_engine, load_features, lua_folder

ENGINE_FILES = [script.name for script in load_engine().values()]
ROOM_FILES = list(load_features())
FILES = [*ENGINE_FILES, *ROOM_FILES]

READS = (
    *("GET", "HGET", "HGETALL", "HLEN", "HMGET", "PTTL", "XLEN", "XRANGE"),
    *("ZCARD", "ZRANGE", "ZSCORE"),
)
READ = re.compile(rf"redis\.call\('({'|'.join(READS)})'|read_(room|bar)\(")
# All else writes. PFCOUNT does too: it keeps what it has reckoned in its key.
WRITE = re.compile(rf"redis\.call\('(?!({'|'.join(READS)}|TIME)')|room_log\(")
READ_ONLY = "#!lua flags=no-writes"
ALSO_WHEN_FULL = "#!lua flags=allow-oom"  # it writes no more than an empty key
WRITING = [
    name for name in FILES if not (lua_folder() / f"{name}.lua").read_text().startswith(READ_ONLY)
]
BARRIER = "stock/barrier"  # belongs to no epoch: all it writes is an empty key
ENGINE_WRITING = [name for name in WRITING if name in ENGINE_FILES and name != BARRIER]
COUNTS_ITS_BUYERS = "redis.call('HLEN', buyers_key)"  # `reserve` does, in a hash that it has read
INCLUDES_THAT_WRITE = ("change_state",)  # append_log is the last write of all


def include_of(name: str) -> str:
    return (lua_folder() / "includes" / f"{name}.lua").read_text()


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


@pytest.mark.parametrize("name", FILES)
def test_the_header_starts_with_the_name_and_what_it_does(name: str) -> None:
    first, second = source_of(name).split("\n")[:2]

    assert first == ALSO_WHEN_FULL if name == BARRIER else first in ("#!lua", READ_ONLY)
    assert re.fullmatch(rf"-- {name.partition('/')[2]}: \S.*", second)


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


@pytest.mark.parametrize("name", ROOM_FILES)
def test_a_room_s_script_looks_for_the_room_before_all_else(name: str) -> None:
    body = body_of(name)
    first_call = re.search(r"redis\.call\(|read_room\(", body)

    assert first_call
    assert first_call[0] == "read_room("


@pytest.mark.parametrize("name", [name for name in ROOM_FILES if name in WRITING])
def test_a_room_s_script_sends_what_it_changes(name: str) -> None:
    """Every event goes through the one include, which numbers, keeps and sends it."""
    body = body_of(name)
    assert "'XADD', events_key" not in body and "'SPUBLISH'" not in body
    if "LOGS     nothing" in source_of(name):
        assert "room_log" not in body
    else:
        assert "room_log(room_key, events_key, channel_key, room, now, history," in body


@pytest.mark.parametrize("name", WRITING)
def test_nothing_is_read_or_refused_after_the_first_write(name: str) -> None:
    """A Lua error keeps the writes before it: so all checks stand before the first write."""
    for part in (body_of(name), *(include_of(include) for include in INCLUDES_THAT_WRITE)):
        # An early return ends a path: what follows it has written nothing yet.
        for path in re.split(r"\n *return [^\n]*\nend", part):
            writes = WRITE.search(path)
            after = path[writes.start() :] if writes else ""
            assert not READ.search(after.replace(COUNTS_ITS_BUYERS, ""))
            assert not re.search(r"broken_books|check_log|error_reply", after)


@pytest.mark.parametrize("name", ENGINE_WRITING)
def test_a_writing_script_checks_the_epoch_before_all_else(name: str) -> None:
    body = body_of(name)
    first_call = re.search(r"redis\.call\([^\n]*|read_drop\([^\n]*", body)

    assert first_call
    assert first_call[0].startswith("redis.call('GET', epoch_key) ~= epoch")


@pytest.mark.parametrize("name", ENGINE_WRITING)
def test_a_writing_script_logs_what_its_header_says(name: str) -> None:
    kind = re.search(r"^-- LOGS +(\w+)", source_of(name), re.MULTILINE)

    assert kind
    if kind[1] == "nothing":  # what moves no stock: recovery, and the end of a drop's time in Redis
        assert "append_log" not in body_of(name)
        verbs = ("archive_drop", "raise_epoch", "restore_drop", "restore_log", "line/restore")
        assert name.removeprefix("stock/") in verbs
        return
    assert re.search(rf"(append_log|change_state)\([^)]*'{kind[1]}'", body_of(name))


def test_a_script_without_writes_logs_nothing() -> None:
    for name in set(ENGINE_FILES) - set(WRITING):
        assert re.search(r"^-- LOGS +nothing$", source_of(name), re.MULTILINE)
        assert "redis.call('XADD'" not in load(name).source.replace(include_of("log"), "")
