"""The docs say what is so: links lead somewhere, tests and commands exist, tables are true."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from prometheus_client import CollectorRegistry

import livesale.deployment.metrics  # noqa: F401  its metric is in the table
from livesale.app import EVENTS, FEATURES
from livesale.cli.app import app
from livesale.rooms.channel.closes import CLOSES
from livesale.rooms.events import kind_of
from livesale.settings import PREFIX, Section, Settings
from livesale.telemetry import metrics
from livesale.telemetry.workers import WriterMetrics
from scripts import write_tables
from stock.scripts import load_engine, load_features

HOUSE = Path(__file__).parent.parent
PAGES = [HOUSE / "README.md", HOUSE / "CONTRIBUTING.md", *sorted((HOUSE / "docs").rglob("*.md"))]
PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(HOUSE)))

_LINK = re.compile(r"\]\(([^)\s]+)\)|^\[\w+\]: (\S+)$", re.MULTILINE)
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_TEST = re.compile(r"tests/[\w/]+\.py::\w+(?:::\w+)?")


@PAGE
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for target in _links(page):
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        if not found.exists() or (anchor and anchor not in _anchors(found)):
            broken.append(target)
    assert broken == []


@PAGE
def test_every_test_that_is_named_exists(page: Path) -> None:
    missing = [name for name in _TEST.findall(_read(page)) if not _is_defined(name)]
    assert missing == []


@PAGE
def test_every_command_that_is_named_exists(page: Path) -> None:
    text = _read(page)
    targets = set(re.findall(r"^([a-z-]+):.*##", _read(HOUSE / "Makefile"), re.MULTILINE))
    named = set(re.findall(r"^make ([a-z]+)|`make ([a-z]+)", text, re.MULTILINE))
    assert {first or second for first, second in named} <= targets
    verbs = {command.name or command.callback.__name__ for command in app.registered_commands}  # type: ignore[union-attr]
    verbs |= {group.name or "" for group in app.registered_groups}
    spoken = re.findall(r"(?:^|`|\$\()livesale ([a-z]+(?:-[a-z]+)*)", text, re.MULTILINE)
    assert set(spoken) <= verbs


def test_every_promise_names_a_test_an_audit_and_a_window() -> None:
    page = _read(HOUSE / "docs/promises.md")
    page = page.partition("\n# The fault suite")[0]
    sections = re.split(r"^## ", page, flags=re.MULTILINE)[1:]
    assert [section.partition(":")[0] for section in sections] == [
        f"I{n}" for n in (*range(1, 12), 13, 14)
    ]
    for section in sections:
        for part in ("- **Held by** ", "- **Tests** ", "- **Audit** ", "- **Window** "):
            assert part in section, f"{section.splitlines()[0]} lacks {part}"
        assert _TEST.search(section)


def test_every_threat_names_a_test() -> None:
    rows = [line for line in _read(HOUSE / "docs/threats.md").splitlines() if line[:2] == "| "]
    attacks = [line.split("|") for line in rows[1:] if line.count("|") == 4 and "`tests/" in line]
    assert len(attacks) >= 16
    for _, attack, defence, tests, _ in attacks:
        assert defence.strip(), attack
        assert _TEST.search(tests), attack


def test_the_doctor_table_is_that_of_the_code() -> None:
    text = "".join(
        _read(HOUSE / f"livesale/operations/{name}.py") for name in ("doctor", "readiness", "needs")
    )
    called = r"\b_?(?:good|note|problem|try|refused|compare)\(\s*\"([a-z ]+)\""
    topics = set(re.findall(called, text)) | set(re.findall(r"\(\"(\w+ tls)\",", text))
    rows = _table("docs/operations.md", "Doctor")
    assert {name for row in rows for name in re.findall(r"`([a-z ]+)`", row[0])} == topics


def test_the_settings_table_is_that_of_the_code() -> None:
    # Given what the code knows
    config = tomllib.loads(_read(HOUSE / "config/default.toml"))
    known = {}
    for name, field, default in _settings(config):
        shown = "*empty*" if default == "" else f"`{_text(default)}`"
        known[f"`{name}`"] = (shown, _range(field))

    # Then the page has the same names, defaults and ranges
    rows = _table("docs/operations.md", "Settings")
    found = {name: (default, bounds) for name, default, bounds, _ in rows}
    by_words = {f"`{PREFIX}AUTH__SECRET`", f"`{PREFIX}AUTH__KEY_ID`"}  # patterns, said in words
    for name in by_words:
        known[name] = (known[name][0], found[name][1])
    assert found == known


def test_the_metrics_table_is_that_of_the_code() -> None:
    workers = CollectorRegistry()
    WriterMetrics(workers)
    for feature in FEATURES:
        for define in feature.metrics:
            define(workers)
    known = {"`livesale_process_up`": "gauge"}
    for registry in (metrics.REGISTRY, workers):
        for family in registry.collect():
            if family.name.startswith("livesale_"):
                known[f"`{family.name}`"] = family.type
    assert {row[0]: row[1] for row in _table("docs/operations.md", "Metrics")} == known


def test_the_problems_table_is_that_of_the_code() -> None:
    """`python -m scripts.write_tables` writes it."""
    assert _table("docs/api.md", "Problems") == write_tables.problems()


def test_the_roles_table_is_that_of_the_code() -> None:
    """`python -m scripts.write_tables` writes it."""
    assert _table("docs/operators.md", "Roles") == write_tables.roles()


def test_the_scripts_table_is_that_of_the_code() -> None:
    rows = _table("docs/architecture.md", "Scripts")
    named = [name for row in rows for name in re.findall(r"`([\w/]+)`", row[0])]
    assert sorted(named) == sorted(load_engine())


def test_the_room_s_scripts_table_is_that_of_the_code() -> None:
    rows = _table("docs/architecture.md", "Live rooms")
    assert sorted(row[0].strip("`") for row in rows) == sorted(load_features())


def test_the_close_codes_are_those_of_the_code() -> None:
    rows = _table("docs/realtime.md", "Close codes")
    known = [[str(close.code), f"`{close.reason}`", close.advice] for close in CLOSES.values()]
    assert rows == known


def test_every_event_is_told_in_the_docs() -> None:
    page = _read(HOUSE / "docs/realtime.md")
    assert [kind for kind in map(kind_of, EVENTS) if f"`{kind}`" not in page] == []


def _settings(config: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for name, field in Settings.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            for part, inner in kind.model_fields.items():
                yield f"{PREFIX}{name}__{part}".upper(), inner, config[name][part]
        else:
            yield f"{PREFIX}{name}".upper(), field, config[name]


def _range(field: Any) -> str:
    bounds: dict[str, float] = {}
    for limit in field.metadata:
        bounds |= {
            sign: getattr(limit, sign) for sign in ("ge", "gt", "le") if hasattr(limit, sign)
        }
    if "gt" in bounds and "le" in bounds:
        return f"> {bounds['gt']}, ≤ {bounds['le']}"
    if "le" in bounds:
        return f"{bounds['ge']} to {bounds['le']}"
    if "ge" in bounds:
        return f"≥ {bounds['ge']}"
    if "gt" in bounds:
        return f"> {bounds['gt']}"
    words = [word for word in get_args(field.annotation) if isinstance(word, str)]
    return ", ".join(words)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _table(page: str, heading: str) -> list[list[str]]:
    """The rows of the first table under a heading of the second order, without its head."""
    section = re.split(rf"^## {heading}$", _read(HOUSE / page), flags=re.MULTILINE)[1]
    lines = section.split("\n## ")[0].splitlines()
    table = [line for line in lines if line.startswith("|")]
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in table[2:]]
    return [[cell.strip() for cell in row] for row in rows]


def _links(page: Path) -> Iterator[str]:
    for match in _LINK.finditer(_FENCE.sub("", _read(page))):
        target = match[1] or match[2]
        if not target.startswith(("http://", "https://")):
            yield target


def _anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", _read(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _is_defined(name: str) -> bool:
    path, *inside = name.split("::")
    file = HOUSE / path
    if not file.is_file():
        return False
    text = _read(file)
    return all(
        re.search(rf"^\s*(?:async def|def|class) {part}\b", text, re.MULTILINE)
        or re.search(rf"^{part} = ", text, re.MULTILINE)
        for part in inside
    )


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
