"""Private names of libraries: each use is named here, and each name still exists.

A private name may go with any release, so the libraries are bounded to a minor version. To move a
bound, see CONTRIBUTING.md.
"""

import ast
import importlib
import inspect
import re
import textwrap
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
OURS = ("livesale", "stock", "loadtests", "benchmarks")
BOUNDED = {"aiohttp": "3.15", "redis": "8.2", "aiomysql": "0.4"}

# What our classes use of the library's classes that they extend: file → names.
INHERITED: dict[str, set[str]] = {
    "livesale/sales/fast_lane.py": {
        "_close",
        "_force_close",
        "_handler_waiter",
        "_keepalive_timeout",
        "_loop",
        "_next_keepalive_close_time",
        "_paused",
        "_process_keepalive",
        "_request_count",
        "_request_in_progress",
        "_upgraded",
    },
    "livesale/web/protocol.py": {
        "_buffer_paused",
        "_current_request",
        "_kwargs",
        "_loop",
        "_make_server",
        "_manager",
        "_message_tail",
        "_messages",
        "_pause_transport_reading",
        "_payload_parser",
        "_reading_paused",
        "_request_count",
        "_request_in_progress",
        "_resume_transport_reading",
        "_server",
        "_upgraded",
        "_waiter",
    },
    "livesale/web/replies.py": {"_eof_sent", "_keep_alive", "_req"},
    "livesale/database/tls.py": {"_get_server_information"},
    "stock/connection.py": {"_connect", "_writer"},
}
# What is used of other objects: file → name → the class or module that has it.
REACHED_INTO = {
    "livesale/web/protocol.py": {
        "_ErrInfo": "aiohttp.web_protocol",
        "_kwargs": "aiohttp.web.Server",
        "_message": "aiohttp.web.BaseRequest",
        "_payload": "aiohttp.web.BaseRequest",
    },
    "livesale/database/engine.py": {"_writer": "aiomysql.connection.Connection"},
    "livesale/database/tls.py": {"_connect": "aiomysql.connection.Connection"},
}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for top in OURS:
        for path in sorted((ROOT / top).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__") and name != "_"


def bound_in(tree: ast.AST) -> set[str]:
    """Private names that a piece of source defines, or assigns to an attribute."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.add(node.attr)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Assign) and "__slots__" in {
            target.id for target in node.targets if isinstance(target, ast.Name)
        }:
            found |= {each.value for each in ast.walk(node.value) if isinstance(each, ast.Constant)}
    return {name for name in found if isinstance(name, str) and is_private(name)}


@cache
def names_of(kind: type) -> set[str]:
    """The private names of a class, by its source and those of its bases in bounded libraries."""
    found: set[str] = set()
    for base in kind.__mro__:
        if base.__module__.partition(".")[0] in BOUNDED:
            found |= bound_in(ast.parse(textwrap.dedent(inspect.getsource(base))))
    return found


def used_by(node: ast.ClassDef) -> set[str]:
    """Private names that a class of ours defines, or takes from itself or from its bases."""
    found = bound_in(node)
    for each in ast.walk(node):
        if isinstance(each, ast.Attribute) and ast.unparse(each.value) in (
            "self",
            "cls",
            "super()",
        ):
            found.add(each.attr)
    return {name for name in found if is_private(name)}


def extends(tree: ast.Module) -> bool:
    """Whether a file has classes that may extend a library's, by way of ours or directly."""
    return any(isinstance(node, ast.ClassDef) and node.bases for node in tree.body)


def inherited(module: ModuleType, tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            found |= used_by(node) & names_of(getattr(module, node.name))
    return found


def reached_into(tree: ast.Module, ours: set[str]) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and node.attr not in ours:
            if ast.unparse(node.value) not in ("self", "cls", "super()", "os"):
                found.add(node.attr)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module.partition(".")[0] in OURS:
                continue
            parts = [*node.module.split("."), *(each.name for each in node.names)]
            found |= {part for part in parts if is_private(part)}
    return found


def resolve(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def test_every_use_of_a_private_name_is_named_here() -> None:
    trees = dict(modules())
    found_inherited, found_reached = {}, {}
    for path, tree in trees.items():
        # A private name of another class of ours in the same file is ours.
        names = set() if path.startswith("benchmarks") else reached_into(tree, bound_in(tree))
        if names:
            found_reached[path] = names
        if extends(tree) and path.startswith(("livesale", "stock")):
            module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
            if names := inherited(module, tree):
                found_inherited[path] = names
    assert found_inherited == INHERITED
    assert found_reached == {path: set(names) for path, names in REACHED_INTO.items()}


@pytest.mark.parametrize(
    ("name", "kind"),
    sorted({item for names in REACHED_INTO.values() for item in names.items()}),
)
def test_a_name_that_is_reached_into_exists(name: str, kind: str) -> None:
    home = resolve(kind)
    assert name in (vars(home) if isinstance(home, ModuleType) else names_of(home))


@pytest.mark.parametrize(("library", "below"), BOUNDED.items())
def test_the_library_is_bounded_to_its_minor_version(library: str, below: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (wanted,) = [each for each in project["dependencies"] if re.match(rf"{library}\b", each)]
    assert wanted.endswith(f",<{below}")
