"""No task of the service or of the engine runs where its faults could end in silence."""

import ast

import pytest

from tests.livesale.tasks.names import calls, is_a_job, name_of, sources, uses_the_helper

STARTS = {"create_task", "ensure_future", "run_coroutine_threadsafe", "TaskGroup", "Task"}
NAMED = {"keep", "repeat", "errand", "note_fault"}  # the helper's: a task's name comes first

# Where a task may begin without the helper, and why its faults are seen all the same.
ALLOWED = {
    "stock/batcher.py": "an engine without livesale: callers are told; the loop's handler is, too",
    "stock/soldout.py": "an engine without livesale: callers are told; the loop's handler is, too",
    "livesale/demo/beside.py": "a client program: what a group raises ends the demo",
    "livesale/demo/room.py": "a client program: what a group raises ends the demo",
}


def bare(tree: ast.AST) -> list[int]:
    """The lines that begin a task, or put away what tasks have raised."""
    return sorted(
        call.lineno
        for call, name in calls(tree)
        if name in STARTS
        or (name == "gather" and any(word.arg == "return_exceptions" for word in call.keywords))
    )


@pytest.mark.parametrize(
    "text",
    [
        "asyncio.create_task(work())",
        "self._loop.create_task(work())",
        "asyncio.ensure_future(work())",
        "async with asyncio.TaskGroup() as group: group.create_task(work())",
        "await asyncio.gather(task, return_exceptions=True)",
    ],
)
def test_a_bare_task_is_found(text: str) -> None:
    assert bare(ast.parse(f"async def main():\n    {text}"))


def test_no_task_begins_outside_the_helper() -> None:
    found = {path: lines for path, tree in sources() if (lines := bare(tree))}
    assert {path: lines for path, lines in found.items() if path not in ALLOWED} == {}
    assert sorted(found) == sorted(ALLOWED), "an allowance that nothing needs any more"


def test_every_task_has_a_constant_name() -> None:
    """A name is a label of metrics: a room's or a drop's id in it would make labels without end."""
    unnamed = [
        f"{path}:{call.lineno}"
        for path, tree in sources()
        if uses_the_helper(tree)
        for call, name in calls(tree)
        if name in NAMED and name_of(call) is None and not is_a_job(call)
    ]
    assert unnamed == []
