"""Commands of livesale in this process: the fixture `livesale` of tests/conftest.py runs them."""

import subprocess
from collections.abc import Callable

Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]


def succeeded(done: Done) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(done: Done, code: int, *words: str) -> None:
    """One paragraph on stderr, nothing on stdout, a stable code."""
    assert done.returncode == code
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr
