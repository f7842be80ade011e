"""The private channels of one worker: who listens, and what each of them has been told.

A buyer costs one small record for each socket that asked for it. Sources take changes in, and say
when a batch is over; then each buyer of the batch who listens here is told, in one message that has
everything since the last one, and the place after it. Nobody else is touched.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import msgspec
import structlog

from livesale.notices.events import Notice
from livesale.notices.metrics import NOTICES_TOLD, READ_AGAIN, SEATS
from livesale.notices.place import NEW, Position, read_place, write_place
from livesale.notices.recent import Recent
from livesale.tasks import Tasks
from livesale.validation.refusals import TooOften
from stock.errors import Unreachable

MAX_SEATS = 20  # of one buyer in one worker
READY_S = 5.0
IDLE_S = 60.0  # sources rest this long after the last listener has gone
SLICE = 50  # listeners that are told to read again, every SLICE_S: they all come and read
SLICE_S = 0.05

Deliver = Callable[[bytes], bool]

log = structlog.get_logger(__name__)
_encode = msgspec.json.Encoder().encode


class Seat:
    """One listener of a buyer. `deliver` sends it a message; it says False if that cannot be sent
    now: then `Notices.serve` is called when it can."""

    __slots__ = ("buyer_id", "deliver", "number", "wanted")

    def __init__(self, buyer_id: str, wanted: str, deliver: Deliver) -> None:
        self.buyer_id = buyer_id
        self.wanted = wanted  # the place of its client, until it is told its first message
        self.number = -1  # of the newest change that it has been told; -1 for none
        self.deliver = deliver


class Notices:
    """One per worker. `awaited`: sources that must have begun before anybody is told anything."""

    def __init__(self, now_ms: Callable[[], int], awaited: Sequence[str]) -> None:
        self.recent = Recent()
        self._now_ms = now_ms
        self._sources = tuple(awaited)
        self._awaited = set(awaited)
        self.round = 0  # rises when sources rest: then they begin anew
        self._seats: dict[str, list[Seat]] = {}
        self._count = 0
        self._due: dict[str, None] = {}  # buyers with changes of the present batch
        self._ready = asyncio.Event()
        self.wanted = asyncio.Event()  # whether anybody listens, or did a moment ago
        self._left_s = 0.0
        self._released = asyncio.Event()
        self._tasks = Tasks()
        SEATS.set_function(lambda: self._count)

    # For listeners.

    def join(self, buyer_id: str, wanted: str, deliver: Deliver) -> Seat:
        """A new listener, whose client has been told up to the place `wanted`. Its first message
        comes at once, or as soon as this worker knows anything. Raises TooOften."""
        seat = self._sit(Seat(buyer_id, wanted, deliver))
        if self._ready.is_set():
            self.serve(seat)
        return seat

    def part(self, seat: Seat) -> None:
        own = self._seats.get(seat.buyer_id, [])
        if seat in own:
            own.remove(seat)
            self._count -= 1
            if not own:
                del self._seats[seat.buyer_id]
            if not self._count:
                self._left_s = asyncio.get_running_loop().time()

    def serve(self, seat: Seat) -> None:
        """Tell a listener what it lacks."""
        if isinstance(seat, _Waiter):
            seat.woken.set()
        if isinstance(seat, _Waiter) or not self._ready.is_set():
            return
        if seat.number < 0:
            events = self.recent.after_place(seat.buyer_id, read_place(seat.wanted))
        else:
            events = self.recent.after_number(seat.buyer_id, seat.number)
            if events == []:
                return
        if seat.deliver(self._message(events)):
            seat.number = self.recent.number

    async def poll(self, buyer_id: str, wanted: str, wait_s: float) -> bytes:
        """A message for a client without a socket; waits for something to say.

        Raises Unreachable, or TooOften.
        """
        if not self._ready.is_set():
            await self._become_ready(buyer_id)
        place = read_place(wanted)
        events = self.recent.after_place(buyer_id, place)
        if events == [] and wait_s and not self._released.is_set():
            await self._wait(buyer_id, wait_s)
            events = self.recent.after_place(buyer_id, place)
        return self._message(events)

    def release(self) -> None:
        """End all waits, because this worker is about to stop."""
        self._released.set()
        for own in list(self._seats.values()):
            for seat in list(own):
                if isinstance(seat, _Waiter):
                    seat.woken.set()

    # For sources.

    @property
    def idle(self) -> bool:
        """Whether nobody has listened for a while."""
        now_s = asyncio.get_running_loop().time()
        return not self._count and now_s - self._left_s > IDLE_S

    def rest(self) -> None:
        """Sources stop, because nobody has listened for a while."""
        self.round += 1
        self._ready.clear()
        self._awaited = set(self._sources)
        if not self._count:
            self.wanted.clear()

    def begin(self, floors: dict[str, Position], epoch: str = "") -> None:
        """Sources begin, anew, behind these positions. Nobody is told anything until `begun`."""
        self._ready.clear()
        self.recent.epoch = epoch or self.recent.epoch
        for source, floor in floors.items():
            self.recent.begin(source, floor)

    def begun(self, *sources: str) -> None:
        """Now they follow. All who listened read again, because they may have missed changes."""
        self._awaited.difference_update(sources)
        self._open()

    def give_up(self, source: str) -> None:
        """A source cannot begin now: nobody waits for it."""
        if source in self._awaited:
            self.begun(source)

    def take(
        self, source: str, position: Position, buyer_id: str, thing: str, notice: Notice
    ) -> None:
        self.recent.add(source, position, buyer_id, thing, notice)
        if buyer_id in self._seats:
            self._due[buyer_id] = None

    def remind(
        self, source: str, position: Position, buyer_id: str, thing: str, notice: Notice
    ) -> None:
        """As `take`, for a reminder: it is no change, and never a reason to read again."""
        self.recent.remind(source, position, buyer_id, thing, notice)
        if buyer_id in self._seats:
            self._due[buyer_id] = None

    def flush(self) -> None:
        """The end of a batch: tell those who listen."""
        due, self._due = self._due, {}
        for buyer_id in due:
            for seat in list(self._seats.get(buyer_id, ())):
                if seat.number >= 0:  # else its first message is to come, and has it
                    self.serve(seat)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        yield
        self.release()
        await self._tasks.close()

    def _sit(self, seat: Seat) -> Seat:
        own = self._seats.setdefault(seat.buyer_id, [])
        if len(own) >= MAX_SEATS:
            raise TooOften("buyer", 5_000)
        own.append(seat)
        self._count += 1
        self.wanted.set()
        return seat

    async def _become_ready(self, buyer_id: str) -> None:
        seat = self._sit(_Waiter(buyer_id, -1))  # so that sources begin
        try:
            async with asyncio.timeout(READY_S):
                await self._ready.wait()
        except TimeoutError:
            raise Unreachable("the changes of reservations are not available now") from None
        finally:
            self.part(seat)

    async def _wait(self, buyer_id: str, wait_s: float) -> None:
        waiter = _Waiter(buyer_id, self.recent.number)
        self._sit(waiter)
        try:
            async with asyncio.timeout(wait_s):
                await waiter.woken.wait()
        except TimeoutError:
            pass
        finally:
            self.part(waiter)

    def _open(self) -> None:
        if self._awaited or not self.recent.epoch:
            return
        self._ready.set()
        seats = [seat for own in self._seats.values() for seat in own]
        for seat in seats:
            if seat.number >= 0:
                seat.number, seat.wanted = -1, NEW
            if isinstance(seat, _Waiter):
                seat.woken.set()
        self._tasks.errand("notices: greet", self._greet(seats))

    async def _greet(self, seats: list[Seat]) -> None:
        """Their first message, or the first after a gap. In slices: those who must, read again."""
        for start in range(0, len(seats), SLICE):
            for seat in seats[start : start + SLICE]:
                if seat.number < 0 and seat in self._seats.get(seat.buyer_id, ()):
                    self.serve(seat)
            await asyncio.sleep(SLICE_S)

    def _message(self, events: list[Notice] | None) -> bytes:
        """An `OwnNotices`."""
        (READ_AGAIN if events is None else NOTICES_TOLD).inc(1 if events is None else len(events))
        return _encode(
            {
                "type": "mine",
                "place": write_place(self.recent.place),
                "read_again": events is None,
                "server_ms": self._now_ms(),
                "events": events or [],
            }
        )


class _Waiter(Seat):
    """A long poll that waits."""

    __slots__ = ("woken",)

    def __init__(self, buyer_id: str, number: int) -> None:
        super().__init__(buyer_id, NEW, lambda _text: False)
        self.number = number
        self.woken = asyncio.Event()
