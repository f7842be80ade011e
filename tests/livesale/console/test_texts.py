"""The console says everything in both languages."""

import json
import re

from scripts.console import BUILT_FROM, CONSOLE, hash_sources

SOURCES = CONSOLE / "src"
_PLACES = re.compile(r"\{(\w+)\}")


def test_every_text_is_in_both_languages_with_the_same_values() -> None:
    table = json.loads((SOURCES / "texts/table.json").read_text())
    for key, texts in table.items():
        zh, en = texts
        assert zh.strip(), key
        assert en.strip(), key
        assert sorted(_PLACES.findall(zh)) == sorted(_PLACES.findall(en)), key


def test_no_key_is_missing_and_none_is_left_over() -> None:
    table = set(json.loads((SOURCES / "texts/table.json").read_text()))
    files = [path for path in SOURCES.rglob("*") if path.suffix in (".ts", ".vue")]
    said = "\n".join(path.read_text() for path in files)
    used: set[str] = set()
    for pattern in (
        r"\bt\('([a-z0-9.]+)'",
        r"label: '([a-z]+\.[a-z]+)'",
        r"\? '([a-z.]+\.[a-z]+)'",
    ):
        used |= set(re.findall(pattern, said))
    # keys that go through a variable, such as what is wrong with a field
    named = set(re.findall(r"'([a-z]+\.[a-z0-9.]+)'", said))
    # and keys that are made of a code, such as those of states
    made = tuple(re.findall(r"\bt\(`([a-z.]+)\$\{", said))
    made += tuple(f"{each}." for each in re.findall(r"word\('([a-z]+)'", said))
    assert used - table == set()
    assert {key for key in table - used - named if not key.startswith(made)} == set()


def test_the_built_files_are_those_of_the_sources() -> None:
    """`make console` builds them."""
    assert BUILT_FROM.read_text().strip() == hash_sources()
