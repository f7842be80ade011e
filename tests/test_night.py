"""The alerts and the dashboard speak of metrics that exist, and each alert says what to do."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
import yaml
from prometheus_client import CollectorRegistry

import stock.errors
from livesale.ledger.partition_state import PartitionState
from livesale.reminders import store as reminders
from livesale.reminders.sender import ReminderMetrics
from livesale.rooms.bags.keeper import BagMetrics
from livesale.rooms.bags.store import BagState
from livesale.rooms.keeper import RoomMetrics
from livesale.rooms.states import RoomState
from livesale.telemetry import metrics
from livesale.telemetry.workers import KeeperMetrics, WriterMetrics
from stock.model import ReserveCode
from tests.test_docs import _anchors

HOUSE = Path(__file__).parent.parent
SCREENS = (HOUSE / "faces/console/src/router.ts").read_text()
RUN_BOOK = (HOUSE / "docs/operations.md").read_text()
ALERTS = yaml.safe_load((HOUSE / "config/alerts.yml").read_text())
DASHBOARD = json.loads((HOUSE / "config/dashboard.json").read_text())
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
TARGETS = [
    (panel["title"], target["expr"], target["legendFormat"])
    for panel in DASHBOARD["panels"]
    for target in panel["targets"]
]
VALUES = {
    ("livesale_reservations_total", "code"): {code.value for code in ReserveCode}
    | {name for name in vars(stock.errors) if name[0].isupper()},
    ("livesale_writer_state", "state"): {state.value for state in PartitionState},
    ("livesale_rooms", "state"): {state.value for state in RoomState},
    ("livesale_bags", "state"): {state.value for state in BagState},
    ("livesale_reminders_total", "state"): set(reminders.OVER),
    ("livesale_http_requests_total", "status"): {"200", "201", "500", "503"},
    ("livesale_http_request_seconds_bucket", "route"): {"/v1/drops/{drop_id}/reservations"},
}


def section(alert: str) -> str:
    """What the run book says of an alert."""
    return RUN_BOOK.partition(f"\n### {alert}\n")[2].partition("\n##")[0]


def exposed() -> dict[str, set[str]]:
    """Every sample that a process can show, with its labels."""
    workers = CollectorRegistry()
    WriterMetrics(workers)
    KeeperMetrics(workers)
    ReminderMetrics(workers)
    RoomMetrics(workers)
    BagMetrics(workers)
    known: dict[str, set[str]] = {"livesale_process_up": set()}
    for registry in (metrics.REGISTRY, workers):
        for collector, names in registry._collector_to_names.items():
            labels = set(getattr(collector, "_labelnames", ()))
            for name in names:
                known[name] = labels | ({"le"} if name.endswith("_bucket") else set())
        for family in registry.collect():
            for sample in family.samples:
                known.setdefault(sample.name, set()).update(sample.labels)
    # What a scrape adds: which process, and which machine.
    return {name: labels | {"process", "instance", "job"} for name, labels in known.items()}


KNOWN = exposed()


def selectors(expr: str) -> Iterator[promql.VectorSelector]:
    """Every metric that an expression looks at. Raises ValueError for what is no PromQL."""
    tree = promql.parse(expr.replace("$__rate_interval", "1m"))
    found: list[promql.VectorSelector] = []

    def visit(node: Any) -> None:
        if isinstance(node, promql.VectorSelector):
            found.append(node)
        for name in ("expr", "lhs", "rhs", "vector_selector", "vs", "args", "param"):
            inner = getattr(node, name, None)
            for child in inner if isinstance(inner, list) else [inner]:
                if isinstance(child, promql.Expr):
                    visit(child)

    visit(tree)
    assert len(found) == len(re.findall(r"livesale_\w+|process_\w+(?=[ /)\[{])", _bare(expr)))
    yield from found


def _bare(expr: str) -> str:
    """Without the names of labels to group by."""
    return re.sub(r"by \([\w, ]+\)", "", expr)


def check(expr: str) -> None:
    for selector in selectors(expr):
        assert selector.name in KNOWN, selector.name
        for matcher in selector.matchers.matchers:
            assert matcher.name in KNOWN[selector.name], (selector.name, matcher.name)
            known = VALUES.get((selector.name, matcher.name))
            if known is not None:
                assert set(matcher.value.split("|")) <= known, matcher.value
    labels = set().union(*(KNOWN[str(one.name)] for one in selectors(expr)))
    for group in re.findall(r"by \(([\w, ]+)\)", expr):
        assert set(group.split(", ")) <= labels, group


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_looks_at_what_there_is_and_says_what_to_do(rule: dict[str, Any]) -> None:
    check(rule["expr"])
    assert re.fullmatch(r"Livesale[A-Z]\w+", rule["alert"])
    assert re.fullmatch(r"\d+[sm]", rule["for"])
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"]["summary"]
    # and which screen of the console handles it: one that there is, named in the run book, too
    screen = rule["annotations"]["console"]
    assert f"path: '{screen.removeprefix('/console#').partition('?')[0]}'" in SCREENS
    assert f"`{screen}`" in section(rule["alert"])
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert anchor == rule["alert"].lower()
    assert anchor in _anchors(HOUSE / page)


def test_every_alert_has_a_name_of_its_own_and_every_runbook_an_alert() -> None:
    names = [rule["alert"] for rule in RULES]
    assert len(set(names)) == len(names)
    text = (HOUSE / "docs/operations.md").read_text()
    assert re.findall(r"^### (Livesale\w+)$", text, re.MULTILINE) == names


@pytest.mark.parametrize(("title", "expr", "legend"), TARGETS)
def test_a_panel_shows_what_there_is(title: str, expr: str, legend: str) -> None:
    check(expr)
    labels = set().union(*(KNOWN[str(one.name)] for one in selectors(expr)))
    assert set(re.findall(r"{{(\w+)}}", legend)) <= labels


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    assert DASHBOARD["schemaVersion"] >= 36
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    places = {(p["gridPos"]["x"], p["gridPos"]["y"]) for p in DASHBOARD["panels"]}
    assert len(places) == len(ids)
    (source,) = DASHBOARD["templating"]["list"]
    assert (source["type"], source["name"]) == ("datasource", "datasource")
    for panel in DASHBOARD["panels"]:
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24


@pytest.mark.parametrize(
    "expr",
    [
        "livesale_no_such_thing > 0",
        'sum(rate(livesale_reservations_total{cod="HELD"}[1m]))',
        'sum(rate(livesale_reservations_total{code="HEDL"}[1m]))',
        "sum by (partitoin) (livesale_writer_lag_entries)",
        "sum(rate(livesale_reservations_total[1m])",
    ],
)
def test_the_check_catches(expr: str) -> None:
    with pytest.raises((AssertionError, ValueError)):
        check(expr)
