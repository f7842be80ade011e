"""The measure of the house: no import circles, a tidy root, one way in for a feature."""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import grimp
import pytest

from livesale.app import FEATURES
from livesale.database.tables import metadata
from livesale.feature import tables_of
from scripts import write_tables
from stock.scripts import load_features

pytestmark = pytest.mark.xdist_group("imports")  # one fixture of the module for all of them

ROOT = Path(__file__).parent.parent
ROOT_MODULES = 6  # of livesale/, besides its __init__.py
PACKAGES = ("livesale", "stock", "loadtests")


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    """What each module imports of ours, also where only types need it."""
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    return {name: set(graph.find_modules_directly_imported_by(name)) for name in graph.modules}


def circles(graph: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """The sets of two or more that all reach each other."""
    reach: dict[str, set[str]] = {}
    for start in graph:
        seen: set[str] = set()
        todo = [start]
        while todo:
            for found in graph.get(todo.pop(), ()):
                if found not in seen:
                    seen.add(found)
                    todo.append(found)
        reach[start] = seen
    found = {
        tuple(sorted(b for b in reach[a] if a in reach.get(b, ()))) for a in graph if a in reach[a]
    }
    return [list(circle) for circle in sorted(found)]


def folded(graph: Mapping[str, set[str]], fold: Callable[[str], str]) -> dict[str, set[str]]:
    """The same graph between the packages that `fold` names."""
    found: dict[str, set[str]] = {}
    for name, imported in graph.items():
        found.setdefault(fold(name), set()).update(map(fold, imported))
    return {name: imported - {name} for name, imported in found.items()}


def test_circles_are_found() -> None:
    assert circles({"a": ["b"], "b": ["c"], "c": ["b"], "d": ["a"]}) == [["b", "c"]]


def test_no_modules_import_each_other(imports: dict[str, set[str]]) -> None:
    assert len(imports) > 400
    assert circles(imports) == []


def test_no_packages_import_each_other(imports: dict[str, set[str]]) -> None:
    ours = {name: found for name, found in imports.items() if name.startswith("livesale.")}
    packages = folded(ours, lambda name: ".".join(name.split(".")[:2]))
    assert circles(packages) == []


def test_few_modules_lie_at_the_root() -> None:
    loose = [path.name for path in (ROOT / "livesale").glob("*.py") if path.name != "__init__.py"]
    assert len(loose) <= ROOT_MODULES, loose


def test_each_feature_is_a_folder_and_its_parts_lie_in_it() -> None:
    for feature in FEATURES:
        for route in feature.routes:
            home = route.handler.__module__.split(".")
            assert feature.name in home, f"{route.path} of {feature.name} is in {'.'.join(home)}"
    names = [feature.name for feature in FEATURES]
    assert len(set(names)) == len(names)


def test_every_table_is_of_a_feature_or_of_the_ledger() -> None:
    of_features = {table.name for table in tables_of(FEATURES)}
    of_the_ledger = {"books", "seals", "stock_ledger", "log_offsets", "leases", "quarantine"}
    assert of_features | of_the_ledger == set(metadata.tables)


def test_the_acl_lets_rooms_do_what_their_scripts_do() -> None:
    text = (ROOT / "config/redis-users.acl").read_text()
    selector = re.search(r"^user livesale .*\(~ls:\{r\*\}.*? -@all (.*)\)$", text, re.MULTILINE)
    assert selector
    sources = "".join(script.source for script in load_features().values())
    called = set(re.findall(r"redis\.p?call\('(\w+)'", sources)) - {"TIME"}
    subscribed = {"evalsha", "ssubscribe", "sunsubscribe"}
    allowed = {word.removeprefix("+") for word in selector[1].split()}
    assert allowed == subscribed | {name.lower() for name in called}


def test_what_is_made_from_the_code_is_up_to_date() -> None:
    """`python -m scripts.write_tables` writes it."""
    assert write_tables.SQLITE_HEAD.read_text() == write_tables.sqlite_head()
