"""The door that strangers share: bounds, turns of the keys, the rate, and who goes away."""

import asyncio

import pytest

from livesale.tasks.turns import Crowded, Turns


def door(at_once: int = 2, **changes: float | None) -> Turns:
    terms = {"each": 1, "max_waiting": 10, "max_each": 5, "wait_s": 60.0, "per_s": None} | changes
    return Turns(at_once, **terms)  # type: ignore[arg-type]


class Guests:
    """Who went in, in which order; each stays until told to leave."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.entered: list[str] = []
        self.leave: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def come(self, *names: str) -> None:
        """A name is a key and a number, such as a1."""
        for name in names:
            self.leave[name] = asyncio.Event()
            self.tasks[name] = asyncio.create_task(self._visit(name))
        await settle()

    async def _visit(self, name: str) -> None:
        async with self.turns.passing(name[0]):
            self.entered.append(name)
            await self.leave[name].wait()

    async def go(self, name: str) -> None:
        self.leave[name].set()
        await settle()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_one_who_asks_a_lot_waits_for_itself() -> None:
    # given a guest who comes five times, then another
    guests = Guests(door())
    await guests.come("a1", "a2", "a3", "a4", "a5", "b1")
    # then each has one place
    assert guests.entered == ["a1", "b1"]
    # and a third has the next place that is free, before those who came first
    await guests.come("c1")
    await guests.go("b1")
    assert guests.entered == ["a1", "b1", "c1"]
    await guests.go("a1")
    assert guests.entered[-1] == "a2"


async def test_keys_take_turns() -> None:
    guests = Guests(door(1))
    await guests.come("a1", "a2", "a3", "b1", "b2")
    for name in ("a1", "a2", "b1", "a3"):
        await guests.go(name)
    assert guests.entered == ["a1", "a2", "b1", "a3", "b2"]


async def test_too_many_who_wait_are_sent_away() -> None:
    turns = door(1, max_waiting=3, max_each=2)
    guests = Guests(turns)
    await guests.come("a1", "a2", "a3", "a4")
    with pytest.raises(Crowded):  # two of this key wait
        await guests.tasks["a4"]
    await guests.come("b1", "c1")
    with pytest.raises(Crowded):  # three wait in all
        await guests.tasks["c1"]
    assert turns.waiting == 3


async def test_who_waits_in_vain_is_sent_away_and_leaves_no_trace() -> None:
    turns = door(1, wait_s=0.01)
    guests = Guests(turns)
    await guests.come("a1", "b1")
    with pytest.raises(Crowded):
        await guests.tasks["b1"]
    assert turns.waiting == 0
    await guests.go("a1")
    await guests.come("c1")
    assert guests.entered == ["a1", "c1"]


async def test_who_goes_away_while_it_is_let_in_gives_its_place_back() -> None:
    guests = Guests(door(1))
    await guests.come("a1", "b1", "c1")
    guests.leave["a1"].set()
    await asyncio.sleep(0)  # a1 leaves, and b1 is let in, but has not run since
    guests.tasks["b1"].cancel()
    await settle()
    assert guests.entered == ["a1", "c1"]
    # and one who waits
    await guests.come("d1", "e1")
    guests.tasks["d1"].cancel()
    await guests.go("c1")
    assert guests.entered == ["a1", "c1", "e1"]


async def test_the_rate_is_kept_behind_a_burst_of_a_second() -> None:
    turns = door(100, each=100, max_waiting=100, max_each=100, per_s=20.0)
    clock = asyncio.get_running_loop().time
    began_s = clock()
    guests = Guests(turns)
    names = [f"{key}{number}" for number in range(15) for key in "ab"]
    await guests.come(*names)
    assert 20 <= len(guests.entered) < 30
    async with asyncio.timeout(30):
        for name in names:
            guests.leave[name].set()
        await asyncio.gather(*guests.tasks.values())
    assert clock() - began_s > 0.35  # the nine behind the burst
