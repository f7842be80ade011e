"""A viewer of a room: what is noted of numbers that do not follow, and how it comes back."""

import contextlib
import json
import random
from typing import Any

import pytest

from loadtests.history import Drop, History, Watched
from loadtests.line import at_once
from loadtests.people.viewer import Viewer, Watching
from loadtests.seat import Gone, Heard, Message, Seat
from loadtests.service import Said
from loadtests.verdict import judge
from tests.loadtests.script import Notes, Over, StoppedTime

QUIET = Watching(lift_s=0.0, reacts=False)


class Counting(Notes):
    def __init__(self) -> None:
        super().__init__()
        self.counted: list[str] = []

    def count(self, line: str) -> None:
        self.counted.append(line)


class ScriptedWire:
    """Gives its messages, then is gone in the way that is told."""

    def __init__(self, messages: list[Any], gone: Gone, time: StoppedTime) -> None:
        self._messages, self._gone, self._time = list(messages), gone, time
        self.sent: list[Any] = []
        self.is_cut = False
        self.seat: Seat

    async def receive(self, seconds: float) -> list[Message]:
        if not self._messages:
            raise self._gone
        message = self._messages.pop(0)
        await self._time.sleep(seconds if message is None else 0.001)
        return [] if message is None else self.seat.receive(framed(message))

    async def send(self, frame: object) -> None:
        self.sent.append(frame)

    def cut(self) -> None:
        self.is_cut = True


def framed(message: Any) -> bytes:
    text = json.dumps(message).encode()
    return bytes((0x81, len(text))) + text


class Room:
    """A service that lets somebody in as often as there are scripts."""

    def __init__(self, *lives: tuple[list[Any], Gone], watching: Watching = QUIET) -> None:
        self.time, self.journal = StoppedTime(1_000), Counting()
        self.asked: list[bytes] = []
        self.told: list[Heard] = []
        self.wires = [ScriptedWire(messages, gone, self.time) for messages, gone in lives]
        self._left = list(self.wires)
        self.viewer = Viewer(
            self._dial, self.journal, self.time, random.Random(1), watching, "r1", self._tell
        )

    async def _dial(self, seat: Seat) -> ScriptedWire:
        self.asked.append(seat.connect("host").split(b" ")[1])
        if not self._left:
            raise Over
        seat.receive(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
        wire = self._left.pop(0)
        wire.seat = seat
        return wire

    def _tell(self, message: Message) -> None:
        self.told.append(message[0])

    def play(self) -> Watched:
        """To the end of the scripts; what was noted."""
        with contextlib.suppress(Over):
            at_once(self.viewer.live())
        [note] = self.journal.notes
        assert isinstance(note, Watched)
        return note


def hello(epoch: str = "e", *, resumed: bool = False) -> dict[str, Any]:
    return {"type": "hello", "epoch": epoch, "offset": 9, "resumed": resumed}


def snapshot(offset: int, epoch: str = "e") -> dict[str, Any]:
    return {"type": "snapshot", "epoch": epoch, "offset": offset, "room": {}}


def event(offset: int, kind: str = "stock", **members: Any) -> dict[str, Any]:
    return {"offset": offset, "type": kind, "at_ms": 5, **members}


def test_who_comes_back_names_the_place_and_goes_on_from_there() -> None:
    # given a connection that breaks, and one that the service ends with advice
    room = Room(
        ([hello(), snapshot(3), event(4), event(5, "drop.open", drop={"drop_id": "d"})], Gone()),
        ([hello(resumed=True), event(6)], Gone(1012, "restart", 7.0)),
        ([hello("f"), snapshot(1, "f"), event(2)], Gone(4410, "room_over")),
    )
    seen = room.play()
    # then every number followed, through both and through a new epoch
    assert seen.wrong == []
    assert (seen.events, seen.connections, seen.resumed, seen.anew) == (4, 3, 1, 1)
    assert seen.closed == {"1006": 1, "1012": 1, "4410": 1}
    path = b"/v1/rooms/r1/socket"
    assert room.asked == [path, path + b"?epoch=e&after=5", path + b"?epoch=e&after=6"]
    # and the waits were those of the page: a moment, then what the service said
    waits = [seconds for seconds in room.time.slept if seconds > 0.001]
    assert 0 < waits[0] < 1 and waits[1:] == [7.0]
    assert [told.drop_id for told in room.told] == ["", "d", "", ""]
    assert all(wire.is_cut for wire in room.wires)


@pytest.mark.parametrize(
    ("messages", "wrong"),
    [
        ([snapshot(3), event(5)], "event 4 of epoch e is missing"),
        ([snapshot(3), event(4), event(4)], "event 4 of epoch e came twice"),
        ([event(4)], "event 4 came before a snapshot"),
    ],
)
def test_a_number_that_does_not_follow_is_noted(messages: list[Any], wrong: str) -> None:
    seen = Room(([hello(), *messages], Gone(4410))).play()
    assert seen.wrong == [wrong]


def test_a_gap_over_a_lost_connection_is_noted_too() -> None:
    seen = Room(
        ([hello(), snapshot(3), event(4)], Gone()),
        ([hello(resumed=True), event(6)], Gone(4410)),
    ).play()
    assert seen.wrong == ["event 5 of epoch e is missing"]


def test_a_viewer_reacts_and_counts_what_is_answered() -> None:
    answers = [{"type": "commented", "comment_id": 1}, {"type": "error", "code": "slow_down"}]
    room = Room(
        ([hello(), snapshot(1), *[None] * 150, *answers], Gone(4410)),
        watching=Watching(lift_s=0.0),
    )
    seen = room.play()
    [wire] = room.wires
    kinds = [frame["type"] for frame in wire.sent]
    assert (kinds.count("like"), kinds.count("comment")) == (seen.likes, seen.comments)
    assert seen.likes > 9 and seen.comments > 0
    assert room.journal.counted == ["frame|200||", "frame|422|slow_down|"]


def test_all_lose_the_connection_at_the_same_moment() -> None:
    storms = Watching(lift_s=0.0, storm_s=10.0, reacts=False)
    life = ([hello(), snapshot(1), *[None] * 100], Gone(4410))
    room = Room(life, life, watching=storms)
    seen = room.play()
    # the clock began at 1,000 s: the first storm is at 1,010 s, the second ends nobody any more
    assert seen.closed == {"1006": 2}
    assert 20_000 <= room.time.now_ms() - 1_000_000 < 22_000


def test_the_verdict_finds_gaps_and_rooms_that_nobody_watched() -> None:
    title = "no viewer misses an event or gets one twice"
    drop = Drop("d", 1, 1, 1, 0, "r1")
    said = Said({}, [], 0)

    def finding(*watched: Watched) -> list[str]:
        found = judge(History(drops={"d": drop}, watched=list(watched)), said, 0.0)
        return next(one.wrong for one in found if one.title == title)

    assert finding(Watched("r1", events=3)) == []
    gap = "event 2 of epoch e is missing"
    assert finding(Watched("r1", events=3), Watched("r1", events=1, wrong=[gap])) == [gap]
    assert finding() == ["no viewer got an event"]
    # and where nothing is sold in a room nobody is asked to watch
    shop = History(drops={"d": Drop("d", 1, 1, 1, 0)})
    assert title not in [one.title for one in judge(shop, said, 0.0)]
