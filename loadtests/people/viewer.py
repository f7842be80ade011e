"""Somebody who lives in a room: watches, likes, says something, loses the connection, comes back.

Each viewer checks each number that it gets: within an epoch they rise by one, whatever happens to
its connection. What it finds is noted once, when it leaves.
"""

import random
from collections.abc import Callable

import msgspec
from msgspec import Struct

from loadtests.history import Watched
from loadtests.journal import Journal
from loadtests.line import Answer, Time, counted_as
from loadtests.numbers import ANSWERS, Heard, Numbers
from loadtests.wire import NO_CODE, Gone, Wire

LISTENS_S = 0.5  # before the viewer looks up
LIKES_EVERY_S = (2.0, 8.0)
SAYS_EVERY_S = (15.0, 60.0)
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 10.0
REFUSED = 422  # stands for the status of a frame that was answered by `error`: it has none
STAY_AWAY = {4403, 4410, 404, 410}  # banned, or the room is over
WORDS = ("在吗", "how large is it?", "红色还有吗", "so nice", "求补货", "👍👍")


class Watching(Struct, frozen=True):
    """How somebody watches. `lift_s` is the mean time between two losses of the connection, 0 for
    never; every `storm_s` all lose it at the same moment."""

    lift_s: float = 45.0
    storm_s: float = 0.0
    reacts: bool = True


class Viewer:
    """One person in one room. `dial` opens a socket at a path; `tell` hears of each event."""

    def __init__(
        self,
        dial: Callable[[str], Wire],
        journal: Journal,
        time: Time,
        chance: random.Random,
        watching: Watching,
        room_id: str,
        tell: Callable[[Heard], None],
    ) -> None:
        self._dial, self._journal, self._time = dial, journal, time
        self._chance, self._watching, self._tell = chance, watching, tell
        self._room_id = room_id
        self._fails = 0
        self._like_ms = self._say_ms = self._lift_ms = self._storm_ms = 0.0
        self.seen = Watched(room_id)
        self._numbers = Numbers(self.seen)

    def live(self) -> None:
        """Until the room is over, or the test: then whoever sleeps is thrown out."""
        self._plan_all()
        try:
            while True:
                try:
                    self._watch()
                except Gone as gone:
                    code = str(gone.code)
                    self.seen.closed[code] = self.seen.closed.get(code, 0) + 1
                    if gone.code in STAY_AWAY:
                        return
                    self._time.sleep(self._wait_s(gone))
        finally:
            self._journal.note(self.seen)

    def _watch(self) -> None:
        """One connection. Raises Gone."""
        wire = self._dial(f"/v1/rooms/{self._room_id}/socket{self._numbers.query}")
        try:
            while True:
                text = wire.receive(LISTENS_S)
                if text is not None:
                    self._hear(msgspec.json.decode(text, type=Heard))
                self._time.sleep(0)
                self._react(wire)
        finally:
            wire.cut()

    def _hear(self, heard: Heard) -> None:
        self._fails = 0
        if self._numbers.hear(heard):
            self._tell(heard)
        elif heard.type in ANSWERS:
            status = REFUSED if heard.type == "error" else 200
            self._journal.count(counted_as("frame", Answer(status, heard.code)))

    def _react(self, wire: Wire) -> None:
        now_ms, watching = self._time.now_ms(), self._watching
        if watching.reacts and now_ms > self._like_ms:
            wire.send({"type": "like", "count": self._chance.randint(1, 5)})
            self.seen.likes += 1
            self._like_ms = self._later(LIKES_EVERY_S)
        if watching.reacts and now_ms > self._say_ms:
            wire.send({"type": "comment", "text": self._chance.choice(WORDS)})
            self.seen.comments += 1
            self._say_ms = self._later(SAYS_EVERY_S)
        if (self._lift_ms and now_ms > self._lift_ms) or (
            self._storm_ms and now_ms > self._storm_ms
        ):
            self._plan_losses()
            raise Gone(NO_CODE, "in a lift", 0.0)

    def _plan_all(self) -> None:
        self._like_ms = self._later(LIKES_EVERY_S)
        self._say_ms = self._later(SAYS_EVERY_S)
        self._plan_losses()

    def _plan_losses(self) -> None:
        now_ms, watching = self._time.now_ms(), self._watching
        if watching.lift_s:
            self._lift_ms = now_ms + 1000 * self._chance.expovariate(1 / watching.lift_s)
        if watching.storm_s:  # the same moment for all, by the service's clock
            every_ms = watching.storm_s * 1000
            self._storm_ms = now_ms - now_ms % every_ms + every_ms

    def _later(self, between_s: tuple[float, float]) -> float:
        return self._time.now_ms() + 1000 * self._chance.uniform(*between_s)

    def _wait_s(self, gone: Gone) -> float:
        """As docs/realtime.md says: the service's advice, else a random time that doubles."""
        if gone.retry_s is not None:
            return gone.retry_s
        self._fails += 1
        longest_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(self._fails - 1, 8))
        return self._chance.uniform(0, longest_s)
