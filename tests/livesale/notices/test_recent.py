"""What a worker remembers of the newest notices: for whom, from where on, and how much."""

import pytest

from livesale.notices import recent
from livesale.notices.events import EndedView, EndingView, ReservationEnded, ReservationEnding
from livesale.notices.place import NEW, Place, Position, read_place, write_place
from livesale.notices.recent import Recent
from stock.model import HoldState


def ended(rid: str) -> ReservationEnded:
    return ReservationEnded(at_ms=1, reservation=EndedView(rid, "d", HoldState.EXPIRED, 1))


def ending(rid: str) -> ReservationEnding:
    return ReservationEnding(at_ms=1, reservation=EndingView(rid, "d", HoldState.HELD, 1, 9))


@pytest.fixture
def memory() -> Recent:
    """Of one log, from its entry 10 on."""
    memory = Recent(most=3)
    memory.epoch = "0000000a"
    memory.begin("p00", (10, 0))
    return memory


def place(position: Position, epoch: str = "0000000a") -> Place:
    return Place(epoch, {"p00": position})


def test_a_place_is_read_as_it_was_written() -> None:
    first = Place("0000000a", {"p00": (1_800_000_000_000, 7), "refunds": (5, 0)})
    assert read_place(write_place(first)) == first
    assert read_place(NEW) is None


def test_who_comes_back_gets_what_came_since(memory: Recent) -> None:
    # given changes of two buyers
    memory.add("p00", (11, 0), "ann", "r1", ended("r1"))
    memory.add("p00", (12, 0), "bob", "r2", ended("r2"))
    memory.add("p00", (13, 0), "ann", "r3", ended("r3"))
    # then each gets its own, after its place
    assert memory.after_place("ann", place((10, 0))) == [ended("r1"), ended("r3")]
    assert memory.after_place("ann", place((11, 0))) == [ended("r3")]
    assert memory.after_place("bob", place((13, 0))) == []
    assert memory.after_number("ann", 1) == [ended("r3")]
    # but nobody who may have missed something is told that this is all
    for somewhere in (None, place((9, 9)), place((13, 0), "0000000b"), Place("0000000a", {})):
        assert memory.after_place("ann", somewhere) is None


def test_a_change_replaces_the_one_before_of_the_same_thing(memory: Recent) -> None:
    memory.add("p00", (11, 0), "ann", "r1", ended("r1"))
    for number in range(12, 20):
        memory.add("p00", (number, 0), "ann", "r2", ended("r2"))
    assert len(memory) == 2
    assert memory.after_place("ann", place((10, 0))) == [ended("r1"), ended("r2")]


def test_what_falls_out_is_not_passed_over_in_silence(memory: Recent) -> None:
    for number in range(11, 16):
        memory.add("p00", (number, 0), f"b{number}", "r", ended("r"))
    assert len(memory) == 3
    assert memory.after_place("b11", place((11, 0))) is None
    assert memory.after_number("b11", 1) is None
    assert memory.after_place("b15", place((12, 0))) == [ended("r")]
    assert memory.after_number("b15", 2) == [ended("r")]


def test_a_reminder_is_no_change(memory: Recent, monkeypatch: pytest.MonkeyPatch) -> None:
    # given reminders, more than are kept
    monkeypatch.setattr(recent, "MAX_REMINDERS", 2)
    memory = Recent(most=3)
    memory.epoch = "0000000a"
    memory.begin("p00", (10, 0))
    for number in (20, 21, 22):
        memory.remind("ending", (number, 0), "ann", f"r{number}", ending(f"r{number}"))
    memory.move("ending", (30, 0))
    # then the oldest is gone, and nobody reads again for it
    assert memory.after_place("ann", place((10, 0))) == [ending("r21"), ending("r22")]
    # and who was reminded is not reminded again; what has ended is not about to end
    told = Place("0000000a", {"p00": (10, 0), "ending": (21, 0)})
    assert memory.after_place("ann", told) == [ending("r22")]
    memory.add("p00", (11, 0), "ann", "r22", ended("r22"))
    assert memory.after_place("ann", told) == [ended("r22")]
