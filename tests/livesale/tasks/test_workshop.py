"""Work on untrusted files ends its own process, and nothing else."""

import pytest

from livesale.tasks.workshop import WorkFailed, WorkRefused, Workshop

MODULE = "tests.livesale.tasks.odd_work"


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
