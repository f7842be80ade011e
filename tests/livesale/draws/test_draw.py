"""The draw by itself: the same for the same, another for another, and no change goes unseen."""

import random
import re
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from livesale.cli.app import app
from livesale.cli.faults import FAILED
from livesale.draws import lots as draw
from livesale.draws.lots import Drawn, Published, find_faults

DOCS = Path(__file__).parents[3] / "docs/lucky-bag.md"
SEED = "5e" * 32
ENTRIES = [draw.entry_id_of("0a" * 32, f"buyer-{number}") for number in range(500)]


def record(places: int = 5) -> Published:
    return Published(
        Drawn(
            draw.commitment_of(SEED),
            SEED,
            draw.list_hash_of(ENTRIES),
            places,
            draw.winners_of(SEED, ENTRIES, places),
        ),
        list(ENTRIES),
    )


def test_a_hundred_draws_of_the_same_have_the_same_winners() -> None:
    draws = {tuple(draw.winners_of(SEED, ENTRIES, 5)) for _ in range(100)}
    assert len(draws) == 1
    assert find_faults(record()) == []


def test_another_seed_or_list_has_other_winners() -> None:
    usual = draw.winners_of(SEED, ENTRIES, 5)
    assert draw.winners_of("5f" * 32, ENTRIES, 5) != usual
    # Whoever comes in, or stands elsewhere, changes the lot of everybody.
    assert draw.winners_of(SEED, [*ENTRIES, "0" * 20], 5) != usual
    assert draw.winners_of(SEED, ENTRIES[::-1], 5) != usual


def test_everybody_has_the_same_chance() -> None:
    chance = random.Random(7)
    entries = ENTRIES[:10]
    won = dict.fromkeys(entries, 0)
    for _ in range(5_000):
        for winner in draw.winners_of(chance.randbytes(32).hex(), entries, 2):
            won[winner] += 1
    # 1,000 each; the square of the distances is that of chance: 27.9 is passed once in a thousand
    # for 9 degrees of freedom, and two of ten places at once come closer together than one by one.
    assert sum((times - 1_000) ** 2 / 1_000 for times in won.values()) < 27.9


@pytest.mark.parametrize("places", [1, 5, 500, 1_000])
def test_there_are_as_many_winners_as_places_or_entries(places: int) -> None:
    winners = draw.winners_of(SEED, ENTRIES, places)
    assert len(winners) == len(set(winners)) == min(places, len(ENTRIES))
    assert winners[:1] == draw.winners_of(SEED, ENTRIES, 1)
    assert draw.winners_of(SEED, [], places) == []


def test_a_winner_who_is_put_in_is_found() -> None:
    true = record()
    loser = next(entry for entry in ENTRIES if entry not in true.bag.winners)
    bag = msgspec.structs.replace(true.bag, winners=[loser, *true.bag.winners[1:]])
    assert "the winners are not" in find_faults(Published(bag, true.entry_ids))[0]


def test_a_list_that_is_changed_is_found_by_its_hash() -> None:
    true = record()
    for changed in (ENTRIES[1:], [*ENTRIES, "0" * 20], ENTRIES[::-1]):
        assert "the list's hash is not" in find_faults(Published(true.bag, changed))[0]
    # and where the hash is changed with it, by the winners, or by whoever kept the event
    bag = msgspec.structs.replace(true.bag, list_hash=draw.list_hash_of(ENTRIES[1:]))
    assert "the winners are not" in find_faults(Published(bag, ENTRIES[1:]))[0]


def test_a_seed_that_is_changed_is_found_by_the_commitment() -> None:
    true, other = record(), "5f" * 32
    winners = draw.winners_of(other, ENTRIES, 5)
    bag = msgspec.structs.replace(true.bag, seed=other, winners=winners)
    [fault] = find_faults(Published(bag, ENTRIES))
    assert fault.startswith("the commitment is not")
    bag = msgspec.structs.replace(true.bag, seed="no hex")
    assert find_faults(Published(bag, ENTRIES)) == ["the seed is not hexadecimal"]


def test_an_entry_that_stands_twice_is_found() -> None:
    twice = [*ENTRIES, ENTRIES[0]]
    bag = Drawn(
        draw.commitment_of(SEED),
        SEED,
        draw.list_hash_of(twice),
        5,
        draw.winners_of(SEED, twice, 5),
    )
    assert find_faults(Published(bag, twice)) == ["an entry is in the list twice"]


def check(path: Path, *options: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["bag", "check", str(path), *options])
    return done.exit_code, done.output


def test_the_command_replays_a_draw_from_the_published_record(tmp_path: Path) -> None:
    path, true = tmp_path / "record.json", record()
    path.write_bytes(msgspec.json.encode(true))
    code, out = check(path, "--commitment", true.bag.commitment, "--entry", ENTRIES[3])
    assert (code, out) == (0, "The draw holds: 5 winners of 500, as seed and list say.\n")
    assert check(path, "--commitment", "ab" * 32)[0] == 1
    code, out = check(path, "--entry", "0" * 20)
    assert (code, out) == (1, f"BROKEN: {'0' * 20} is not in the list\n")
    path.write_bytes(msgspec.json.encode(Published(true.bag, ENTRIES[1:])))
    assert check(path)[0] == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b'{"bag": {"state": "open"}}',
        b'{"bag": {"commitment": "aa"',
        b"\xef\xbb\xbf{}",
        b'{"bag": {"commitment": "\xff"',
        b'{"x": ' + b"[" * 100_000,
    ],
)
def test_what_is_no_record_gets_no_verdict(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(raw)
    code, out = check(path)
    assert code == FAILED
    assert "no record of a draw" in out


def test_a_file_that_cannot_be_read_gets_no_verdict() -> None:
    assert check(Path("/proc/self/mem")) == (FAILED, "[Errno 5] Input/output error\n")


def test_the_few_lines_of_the_docs_come_to_the_same(tmp_path: Path) -> None:
    """They are written independently of the code: what anybody without it would run."""
    [script] = re.findall(r"^```python\n(.*?)^```$", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    path, true = tmp_path / "record.json", record()
    path.write_bytes(msgspec.json.encode(true))
    exec(script.replace('"record.json"', repr(str(path))), {})
    bag = msgspec.structs.replace(true.bag, winners=true.bag.winners[::-1])
    path.write_bytes(msgspec.json.encode(Published(bag, ENTRIES)))
    with pytest.raises(AssertionError):
        exec(script.replace('"record.json"', repr(str(path))), {})


def test_the_record_of_the_docs_holds_and_no_other_does(tmp_path: Path) -> None:
    text = DOCS.read_text()
    [script] = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    [example] = re.findall(r"^```json\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    path = tmp_path / "record.json"
    path.write_text(example)
    exec(script.replace('"record.json"', repr(str(path))), {})
    assert check(path) == (0, "The draw holds: 2 winners of 5, as seed and list say.\n")
    # each digit of it counts, wherever it stands
    for found in re.finditer(r"[0-9a-f]{20,}", example):
        at = (found.start() + found.end()) // 2
        other = "0" if example[at] != "0" else "1"
        path.write_text(example[:at] + other + example[at + 1 :])
        assert check(path)[0] == 1, found[0]
        with pytest.raises(AssertionError):
            exec(script.replace('"record.json"', repr(str(path))), {})
