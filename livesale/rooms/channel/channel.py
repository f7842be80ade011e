"""One room's channel in one worker: sends its events, in order, to every listener.

The channel subscribes before it reads the history, so it misses nothing; it joins the two by
number, and fetches a missing number from the history. If Redis has another epoch, or has lost
events that we sent, every listener starts again with a snapshot: a client always learns of a gap.

Listeners share one ring. Each has only a place in it, so a thousand slow ones cost no memory here.
The channel closes a listener that falls too far behind. It sends to listeners in slices: between
two slices the worker does its other work.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec
import structlog
from msgspec import Struct

from livesale.rooms.channel.ring import Ring, Sent
from livesale.rooms.copy import RoomCopy
from livesale.rooms.events import PATIENT, RoomChanged, RoomView, kind_of
from livesale.rooms.people.events import ViewerBarred
from livesale.rooms.scripts import History, RoomImage
from livesale.rooms.states import OVER, BarKind
from livesale.settings import LiveSettings
from livesale.tasks import Tasks, Works, note_fault
from livesale.validation.refusals import Unknown
from stock.errors import Unreachable

SLICE = 100  # listeners served before the loop may do something else
REST = 0.2  # pause after a round, as a share of its time; only patient events wait for it
MAX_REST_S = 0.1
PUMP_AGAIN_S = 0.5  # the longest wait before we retry a failed round
SNAPSHOT_S = 1.0  # cache time of snapshots
READ = 1_000  # events in one read of the history

log = structlog.get_logger(__name__)


class Listener(Protocol):
    """A receiver of all events: a socket. `place` is the number of the last event it got.

    `send` takes bytes. It is None while the listener's buffer is full; after that, the listener
    calls `Channel.serve`.
    """

    place: int
    send: Callable[[bytes], object] | None

    def is_slow(self, behind: int) -> bool:
        """Whether to close it, `behind` events behind."""
        ...

    def is_of(self, buyer_id: str) -> bool:
        """Whether it belongs to this buyer."""
        ...

    def leave(self, why: str) -> None:
        """Close it, for a reason of livesale.rooms.channel.closes."""
        ...


class SnapshotMessage(Struct, frozen=True, tag_field="type", tag="snapshot"):
    """The room as it was after event `offset`. A snapshot has no number of its own."""

    epoch: str
    offset: int
    server_ms: int
    room: msgspec.Raw
    items: list[msgspec.Raw]
    drops: list[msgspec.Raw]
    people: msgspec.Raw
    comments: list[msgspec.Raw]
    bag: msgspec.Raw


class _State(Struct):
    state: str


class _Barred(Struct):
    person_id: str
    bar: str


class _Head(Struct):
    """The fields of an event that the channel reads."""

    offset: int
    type: str
    room: _State | None = None
    viewer: _Barred | None = None


_BARRED = kind_of(ViewerBarred)
_read_head = msgspec.json.Decoder(_Head).decode


class Channel:
    """Created and fed by livesale.rooms.channel.channels. `frame` makes a WebSocket frame."""

    def __init__(
        self,
        room_id: str,
        copy: RoomCopy,
        settings: LiveSettings,
        frame: Callable[[bytes], bytes],
        on_round: Callable[[int, float], None],
        on_ban: Callable[[str], None],
    ) -> None:
        self.room_id = room_id
        self._copy = copy
        self._settings = settings
        self._frame = frame
        self._on_round = on_round
        self._on_ban = on_ban
        self._ring: Ring | None = None
        self._listeners: dict[Listener, None] = {}
        self._fresh: list[Listener] = []  # joined since the last round
        self._news = False  # whether there are events for all listeners
        self._waiters: set[asyncio.Future[None]] = set()
        self._snapshot: tuple[float, int, bytes] | None = None
        self._healing = asyncio.Lock()
        self._wake = asyncio.Event()
        self._urgent = asyncio.Event()
        self._over = False
        self._released = False
        self._torn = False  # whether two events had the same number
        self.ready = asyncio.Event()  # set after the first read of the history
        self.idle_since = asyncio.get_running_loop().time()
        self._tasks = Tasks()
        self._tasks.keep("room: send", self._keep_sending, about=room_id, longest_s=PUMP_AGAIN_S)

    @property
    def ring(self) -> Ring:
        """Raises Unreachable before the first read of the history."""
        if self._ring is None:
            raise Unreachable("this worker does not have the room's events yet")
        return self._ring

    @property
    def known(self) -> bool:
        return self._ring is not None

    @property
    def listeners(self) -> int:
        return len(self._listeners)

    @property
    def over(self) -> bool:
        """Whether an event has ended the room."""
        return self._over

    @property
    def idle(self) -> bool:
        return not self._listeners and not self._waiters

    def feed(self, message: str) -> bool:
        """Add a published event. False if an earlier one is missing here.

        Raises ValueError or msgspec.DecodeError if it is not an event; then nothing has changed.
        """
        epoch, number, text = message.split(" ", 2)
        ring, offset = self._ring, int(number)
        if ring is None or epoch != ring.epoch or offset > ring.last + 1:
            return False
        if offset == ring.last + 1:
            raw = text.encode()
            self._append(ring, _read_head(raw), raw)
            return True
        # The history had it already; or Redis lost events and uses their numbers again.
        known = ring.at(offset)
        self._torn = self._torn or (known is not None and known.text != text.encode())
        return not self._torn

    async def heal(self) -> None:
        """Catch up with Redis. Raises StockError, StoreUnavailable or Unknown."""
        async with self._healing:
            while not await self._heal():
                pass

    async def _heal(self) -> bool:
        """Read a page of the history; True if it was the last."""
        gateway, ring = self._copy.gateway, self._ring
        # Read our last event again: if it differs, Redis has lost events.
        last = ring.last if ring is not None else 0
        after = max(0, last - 1)
        history = await gateway.history(self.room_id, after, READ)
        if history is None:
            await self._copy.revive(self.room_id)
            return False
        found = self._read(history)
        if ring is None or ring is not self._ring:
            self._begin(history, found)
        elif history.epoch != ring.epoch:
            log.info("a room has a new epoch", room_id=self.room_id)
            self._begin(History(history.epoch, 0, []), [])
            return False
        elif not self._continues(ring, history, found, last):
            await self._begin_anew(ring.epoch)
            return False
        else:
            for head, text in found:
                if head.offset > ring.last:
                    if head.offset > ring.last + 1:  # we were disconnected for too long
                        self._begin(history, found)
                        break
                    self._append(ring, head, text)
            if not found and history.offset > ring.last:  # the history itself is gone
                self._begin(history, found)
        return len(history.texts) < READ

    def _read(self, history: History) -> list[tuple[_Head, bytes]]:
        """The events of a page. Skips a malformed event or a gap, and everything before it:
        listeners get a snapshot instead."""
        found: list[tuple[_Head, bytes]] = []
        for text in reversed(history.texts):
            try:
                raw = text.encode()
                head = _read_head(raw)
                if found and head.offset != found[-1][0].offset - 1:
                    raise ValueError(f"event {head.offset} is followed by {found[-1][0].offset}")
            except (msgspec.DecodeError, ValueError) as fault:
                note_fault("room: history", fault, about=self.room_id)
                break
            found.append((head, raw))
        return found[::-1]

    async def _begin_anew(self, epoch: str) -> None:
        """Redis uses numbers again that we have sent: start a new epoch."""
        log.warning("Redis lost events of a room", room_id=self.room_id)
        image = await self._copy.gateway.image(self.room_id)
        if image is not None:
            room = msgspec.json.decode(image.room, type=RoomView)
            await self._copy.gateway.renew(self.room_id, epoch, RoomChanged(room=room))

    def _continues(
        self, ring: Ring, history: History, found: list[tuple[_Head, bytes]], last: int
    ) -> bool:
        """Whether Redis's history continues ours as of the request, which ended with `last`.

        Events published since then may already be here: that is no loss.
        """
        if self._torn or history.offset < last:
            return False
        known = ring.at(found[0][0].offset) if found else None
        return known is None or found[0][1] == known.text

    def _begin(self, history: History, found: list[tuple[_Head, bytes]]) -> None:
        """Make a new ring from the history; all listeners get a snapshot."""
        first = found[0][0].offset - 1 if found else history.offset
        ring = Ring(history.epoch, first, self._settings.history)
        for head, text in found:
            self._append(ring, head, text)
        self._ring = ring
        self.ready.set()
        self._torn = False
        self._snapshot = None
        for listener in self._listeners:
            listener.place = -1
        self._wake_all(urgent=True)

    def _append(self, ring: Ring, head: _Head, text: bytes) -> None:
        sent = Sent(head.offset, text, self._frame(text), head.type in PATIENT)
        ring.append(sent)
        self._over = self._over or (head.room is not None and head.room.state in OVER)
        viewer = head.viewer
        if viewer is not None and viewer.bar == BarKind.BAN and head.type == _BARRED:
            self._send_away(viewer.person_id)
        self._wake_all(urgent=not sent.patient)

    def _send_away(self, person_id: str) -> None:
        self._on_ban(self.room_id)
        try:
            buyer_id = self._copy.person_ids.buyer_of(self.room_id, person_id)
        except Unknown:
            log.warning("this worker lacks the key of a person's id", room_id=self.room_id)
            return
        for listener in [one for one in self._listeners if one.is_of(buyer_id)]:
            listener.leave("banned")

    def _wake_all(self, *, urgent: bool) -> None:
        self._news = True
        self._wake.set()
        if urgent:
            self._urgent.set()
        self._wake_waiters()

    def _wake_waiters(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def catch_up(self, epoch: str, after: int) -> None:
        """Catch up if a client from another worker has newer events than this one."""
        if epoch == self.ring.epoch and after > self.ring.last:
            await self.heal()

    def release(self) -> None:
        """End all waits, because this worker is about to stop."""
        self._released = True
        self._wake_waiters()

    async def wait(self, seconds: float) -> None:
        """Wait for an event, at most this time."""
        if self._released:
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            async with asyncio.timeout(seconds):
                await waiter
        except TimeoutError:
            pass
        finally:
            self._waiters.discard(waiter)
            self.idle_since = asyncio.get_running_loop().time()

    async def snapshot(self) -> tuple[int, bytes]:
        """A snapshot to begin with, and its number, from which the ring continues.

        At most a second old, so a crowd that comes at once costs Redis one read.
        """
        now = asyncio.get_running_loop().time()
        ring = self.ring
        known = self._snapshot
        if known is not None and known[0] > now and ring.reaches(known[1]):
            return known[1], known[2]
        async with self._healing:  # one caller reads, the others share the result
            known = self._snapshot
            if known is None or known[0] <= now or not self.ring.reaches(known[1]):
                known = self._snapshot = await self._take_snapshot(now)
        return known[1], known[2]

    async def _take_snapshot(self, now: float) -> tuple[float, int, bytes]:
        image = await self._copy.gateway.image(self.room_id)
        if image is None:
            raise Unreachable("Redis no longer has the room")
        while image.epoch != self.ring.epoch or image.offset > self.ring.last:
            await self._heal()  # it includes events that have not arrived here
        if image.offset < self.ring.first:
            raise Unreachable("the room changes faster than it can be read")
        return now + SNAPSHOT_S, image.offset, _message(image)

    def join(self, listener: Listener) -> None:
        """Start sending to a listener from its `place` on; with a snapshot first if the ring does
        not reach it."""
        self._listeners[listener] = None
        if listener.place != self.ring.last or self._over:
            self._ask_for_round(listener)

    def part(self, listener: Listener) -> None:
        self._listeners.pop(listener, None)
        self.idle_since = asyncio.get_running_loop().time()

    def serve(self, listener: Listener) -> None:
        """Send a listener the events it lacks, unless its buffer is full."""
        if self._ring is not None and self._serve([listener]):
            self._ask_for_round(listener)  # it needs a snapshot

    def _ask_for_round(self, listener: Listener) -> None:
        self._fresh.append(listener)
        self._wake.set()
        self._urgent.set()

    def _serve(self, listeners: Iterable[Listener]) -> list[Listener]:
        """Send each listener the events it lacks; returns those that need a snapshot first.

        Frames are made once for all listeners at the same place: with ten thousand listeners, this
        loop and the kernel make up an event's latency.
        """
        ring, frames = self.ring, dict[int, bytes]()
        last, strange = ring.last, list[Listener]()
        for listener in listeners:
            place = listener.place
            if place == last:
                continue
            found = frames.get(place)
            if found is None:
                found = frames[place] = ring.frames(place) if ring.reaches(place) else b""
            send = listener.send
            if send is None:
                if listener in self._listeners and listener.is_slow(last - place):
                    listener.leave("too_slow")
            elif found:
                send(found)
                listener.place = last
            elif listener in self._listeners:
                strange.append(listener)
        return strange

    async def _keep_sending(self, works: Works) -> None:
        """Send in rounds over all listeners, whenever there are events. Never returns. Raises
        StockError or StoreUnavailable if a listener needs a snapshot and Redis fails."""
        clock = asyncio.get_running_loop().time
        while True:
            if not self._wake.is_set():
                works()  # idle
                await self._wake.wait()
            self._wake.clear()
            self._urgent.clear()
            began = clock()
            try:
                await self._round()
            except Exception:
                self._news = True  # the next round serves all listeners again
                self._wake.set()
                raise
            works()
            took = clock() - began
            self._on_round(len(self._listeners), took)
            try:
                # Patient events can wait, so that the loop does other work.
                async with asyncio.timeout(min(took * REST, MAX_REST_S)):
                    await self._urgent.wait()
            except TimeoutError:
                pass

    async def _round(self) -> None:
        fresh, self._fresh = self._fresh, []
        news, self._news = self._news, False
        listeners = list(self._listeners) if news else fresh
        for start in range(0, len(listeners), SLICE):
            for listener in self._serve(listeners[start : start + SLICE]):
                await self._bring_up(listener)
            await asyncio.sleep(0)
        if self._over:
            for number, listener in enumerate(list(self._listeners), 1):
                listener.leave("room_over")
                if number % SLICE == 0:
                    await asyncio.sleep(0)

    async def _bring_up(self, listener: Listener) -> None:
        """Send a snapshot."""
        offset, text = await self.snapshot()
        if listener.send is not None:
            listener.send(self._frame(text))
            listener.place = offset
            self._serve([listener])

    async def close(self) -> None:
        await self._tasks.close()


def _message(image: RoomImage) -> bytes:
    return msgspec.json.encode(
        SnapshotMessage(
            image.epoch,
            image.offset,
            image.now_ms,
            image.room,
            image.items,
            image.drops,
            image.people,
            image.comments,
            image.bag,
        )
    )
