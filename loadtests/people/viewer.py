"""A viewer of a room: watches, likes, comments, loses the connection, reconnects.

Each viewer checks all event numbers: within an epoch they rise by one, over all connections. It
notes its findings once, when it leaves.
"""

import random
from collections.abc import Awaitable, Callable

from msgspec import Struct

from loadtests.history import Watched
from loadtests.journal import Journal
from loadtests.line import Answer, Time, counted_as
from loadtests.seat import ANSWERS, NO_CODE, Gone, Message, Seat
from loadtests.wire import Wire

LISTENS_S = 0.5  # the longest wait for an event
LIKES_EVERY_S = (2.0, 8.0)
SAYS_EVERY_S = (15.0, 60.0)
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 10.0
REFUSED = 422  # the status that we count for a frame answered by `error`
STAY_AWAY = {4403, 4410, 404, 410}  # banned, or the room is over
WORDS = ("在吗", "how large is it?", "红色还有吗", "so nice", "求补货", "👍👍")


class Watching(Struct, frozen=True):
    """How a viewer behaves. `lift_s` is the mean time between two lost connections, 0 for never;
    every `storm_s` all viewers lose theirs at once. Without advice from the service, a reconnect
    waits up to `first_wait_s`, doubling."""

    lift_s: float = 45.0
    storm_s: float = 0.0
    reacts: bool = True
    likes_every_s: tuple[float, float] = LIKES_EVERY_S
    says_every_s: tuple[float, float] = SAYS_EVERY_S
    first_wait_s: float = FIRST_WAIT_S


class Viewer:
    """One person in one room. `dial` connects a seat; `tell` is called with each event."""

    def __init__(
        self,
        dial: Callable[[Seat], Awaitable[Wire]],
        journal: Journal,
        time: Time,
        chance: random.Random,
        watching: Watching,
        room_id: str,
        tell: Callable[[Message], None],
    ) -> None:
        self._dial, self._journal, self._time = dial, journal, time
        self._chance, self._watching, self._tell = chance, watching, tell
        self._fails = 0
        self._like_ms = self._say_ms = self._lift_ms = self._storm_ms = 0.0
        self._wire: Wire | None = None
        self.seen = Watched(room_id)
        self.seat = Seat(self.seen)

    async def live(self) -> None:
        """Watch until the room ends, or the test does: then the sleep raises."""
        self._plan_all()
        try:
            while True:
                try:
                    await self._watch()
                except Gone as gone:
                    code = str(gone.code)
                    self.seen.closed[code] = self.seen.closed.get(code, 0) + 1
                    if gone.code in STAY_AWAY:
                        return
                    await self._time.sleep(self._wait_s(gone))
        finally:
            self._journal.note(self.seen)

    async def say(self, frame: object) -> None:
        """Send a frame, if connected. Raises Gone."""
        if self._wire is not None:
            await self._wire.send(frame)

    def lose(self) -> None:
        """Cut the connection without a close frame."""
        if self._wire is not None:
            self._wire.cut()

    async def _watch(self) -> None:
        """Watch over one connection. Raises Gone at its end."""
        self._wire = wire = await self._dial(self.seat)
        try:
            while True:
                for message in await wire.receive(LISTENS_S):
                    self._hear(message)
                await self._time.sleep(0)
                await self._react()
        finally:
            self._wire = None
            self.seat.leave()
            wire.cut()

    def _hear(self, message: Message) -> None:
        heard, _ = message
        self._fails = 0
        if heard.numbered:
            self._tell(message)
        elif heard.type in ANSWERS:
            status = REFUSED if heard.type == "error" else 200
            self._journal.count(counted_as("frame", Answer(status, heard.code)))

    async def _react(self) -> None:
        now_ms, watching = self._time.now_ms(), self._watching
        if watching.reacts and now_ms > self._like_ms:
            await self.say({"type": "like", "count": self._chance.randint(1, 5)})
            self.seen.likes += 1
            self._like_ms = self._later(self._watching.likes_every_s)
        if watching.reacts and now_ms > self._say_ms:
            await self.say({"type": "comment", "text": self._chance.choice(WORDS)})
            self.seen.comments += 1
            self._say_ms = self._later(self._watching.says_every_s)
        if (self._lift_ms and now_ms > self._lift_ms) or (
            self._storm_ms and now_ms > self._storm_ms
        ):
            self._plan_losses()
            raise Gone(NO_CODE, "in a lift", 0.0)

    def _plan_all(self) -> None:
        self._like_ms = self._later(self._watching.likes_every_s)
        self._say_ms = self._later(self._watching.says_every_s)
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
        """The pause before a reconnect (docs/realtime.md): advised, else random and doubling."""
        if gone.retry_s is not None:
            return gone.retry_s
        self._fails += 1
        first_s = self._watching.first_wait_s
        longest_s = min(LONGEST_WAIT_S, first_s * 2.0 ** min(self._fails - 1, 8))
        return self._chance.uniform(0, longest_s)
