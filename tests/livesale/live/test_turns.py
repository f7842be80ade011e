"""How a worker divides its core between a crowd and all else: by what each was seen to take."""

import asyncio

import pytest

from livesale.live import turns
from livesale.live.turns import FLOOR_S, LEAST, MOST, Turns

SEND_S = 6e-6  # a listener


@pytest.fixture
def others_s(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What others take in each pause, one after the other; nothing once the list is used up."""
    taken: list[float] = []
    clock = [0.0]
    monkeypatch.setattr(turns.time, "thread_time", lambda: clock[0])
    rest = asyncio.sleep

    async def pause(seconds: float) -> None:
        clock[0] += taken.pop(0) if taken else 0.0
        await rest(seconds)

    monkeypatch.setattr(turns.asyncio, "sleep", pause)
    return taken


async def sizes(others_s: list[float], taken: list[float]) -> list[int]:
    """The slices of a round in which sending costs SEND_S a listener."""
    found, mine = [], Turns()
    for each in taken:
        found.append(mine.size)
        others_s[:] = [mine.size * SEND_S + each]
        await mine.pause()
    return [*found, mine.size]


async def test_a_slice_stays_small_while_nothing_else_is_to_be_done(others_s: list[float]) -> None:
    assert set(await sizes(others_s, [0.0] * 5)) == {LEAST}


async def test_a_slice_grows_to_what_others_take_and_back(others_s: list[float]) -> None:
    found = await sizes(others_s, [0.0, 0.0012, 0.0012, 0.0, 0.0])
    assert found[:2] == [LEAST, LEAST]
    assert found[2:4] == [pytest.approx(200, abs=1)] * 2  # 1.2 ms at 6 µs each
    assert found[4:] == [LEAST, LEAST]


async def test_a_slice_is_bounded_whatever_others_take(others_s: list[float]) -> None:
    assert (await sizes(others_s, [0.0, 1.0, 0.0]))[2] == MOST


async def test_a_slice_in_which_nobody_was_sent_anything_says_nothing(
    others_s: list[float],
) -> None:
    mine = Turns()
    await mine.pause()  # all had everything: it took no time
    others_s[:] = [LEAST * SEND_S]
    await mine.pause()
    assert LEAST <= mine.size <= LEAST * SEND_S / FLOOR_S
