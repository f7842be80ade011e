"""Work on untrusted files ends its own process, and nothing else."""

import subprocess
import sys

import pytest

from livesale.workshop.bench import WorkRefused
from livesale.workshop.workshop import WorkFailed, Workshop

MODULE = "tests.livesale.workshop.odd_work"


def workshop(timeout_s: float = 20.0) -> Workshop:
    return Workshop(MODULE, at_once=2, timeout_s=timeout_s, memory_mib=512, most_bytes=1_000)


async def test_work_is_done() -> None:
    assert await workshop().work(b"abc", ["fine"]) == b"cba"


@pytest.mark.parametrize("how", ["crash", "eat", "write", "flood"])
async def test_work_that_crashes_or_takes_too_much_fails(how: str) -> None:
    with pytest.raises(WorkFailed):
        await workshop().work(b"abc", [how])


async def test_work_that_hangs_is_ended() -> None:
    with pytest.raises(WorkFailed, match="too long"):
        await workshop(timeout_s=1.0).work(b"abc", ["hang"])


async def test_a_refusal_says_why() -> None:
    with pytest.raises(WorkRefused) as refused:
        await workshop().work(b"abc", ["refuse"])
    assert (refused.value.code, refused.value.detail) == ("odd", "because")


@pytest.mark.parametrize("module", ["catalogue.pictures.encode", "spreadsheets.reading"])
def test_work_imports_nothing_of_the_service(module: str) -> None:
    """It starts for each file: those libraries would make that ten times as long."""
    look = f"import sys, livesale.{module}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", look], check=True, capture_output=True, text=True
    ).stdout.split()
    assert not {"sqlalchemy", "aiohttp", "redis", "structlog", "pydantic"} & set(loaded)
