"""Names of tasks as the source has them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from livesale.app import FEATURES
from livesale.feature import jobs_of

HOUSE = Path(__file__).parents[3]
HELPER = [HOUSE / f"livesale/tasks/{name}.py" for name in ("supervised", "table", "backoff")]


# What begins a task has one of these words: the other files need not be parsed.
BEGINS = re.compile(
    r"\b(create_task|ensure_future|run_coroutine_threadsafe|TaskGroup|Task|gather"
    r"|keep|repeat|errand|note_fault)\b"
)


def sources() -> Iterator[tuple[str, ast.Module]]:
    """The files of the service and of the engine that begin tasks, without the helper."""
    for folder in ("livesale", "stock"):
        for path in sorted((HOUSE / folder).rglob("*.py")):
            text = path.read_text()
            if path not in HELPER and BEGINS.search(text):
                yield str(path.relative_to(HOUSE)), ast.parse(text)


def calls(tree: ast.AST) -> Iterator[tuple[ast.Call, str]]:
    """Each call, and the last name of what it calls."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            yield node, name


def uses_the_helper(tree: ast.AST) -> bool:
    return any(
        isinstance(node, ast.ImportFrom) and node.module == "livesale.tasks"
        for node in ast.walk(tree)
    )


def name_of(call: ast.Call) -> str | None:
    """The constant that is the first argument, if it is one."""
    first = call.args[0] if call.args else None
    found = first.value if isinstance(first, ast.Constant) else None
    return found if isinstance(found, str) else None


def is_a_job(call: ast.Call) -> bool:
    """Whether it keeps what the features bring: livesale.processes.roles."""
    return "_run_job" in ast.unparse(call)


JOBS = {name for name, _ in jobs_of(FEATURES)}  # of the keeper: each runs others of its own


def loops() -> set[str]:
    """The names of all tasks that are kept running."""
    return JOBS | {
        name_of(call) or "?"
        for _, tree in sources()
        if uses_the_helper(tree)
        for call, verb in calls(tree)
        if verb in ("keep", "repeat") and not is_a_job(call)
    }
