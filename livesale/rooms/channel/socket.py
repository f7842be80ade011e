"""One viewer's socket: a protocol on the transport that aiohttp has handed over.

It is small, because there are ten thousand of them: no task, no stream, no queue of its own. It
sends bytes that the room's channel has encoded once for all. wsproto parses the client's frames;
the parser is created with the first byte.
"""

import asyncio
import json
import random
import socket as sockets
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import structlog
from msgspec import Struct
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import (
    BytesMessage,
    CloseConnection,
    Ping,
    Pong,
    TextMessage,
)
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from livesale.notices.service import Notices, Seat
from livesale.rooms.channel.closes import CLOSES, restart_reason
from livesale.rooms.channel.frames import BadFrame, ClientFrame, Frames, Handle
from livesale.rooms.channel.messages import Failed
from livesale.rooms.members import RoomRole
from livesale.tokens.errors import IdentityFault
from livesale.tokens.signing import Buyer, Operator, TokenSigner
from livesale.validation.refusals import TooOften
from livesale.web.places import Places
from livesale.web.problems import Problem, problem_of
from livesale.web.protocol import Client

if TYPE_CHECKING:
    from livesale.rooms.channel.hub import Hub

SEND_BUFFER = 64 * 1024  # unread bytes of a slow client, in the kernel and again here
CLOSE_S = 2.0  # timeout for the client's close frame
CLOSE_BYTES = 4 * 1024  # the most that a client may send until then
REFUSED_S = 0.5  # time for a refused client to read the reason; we read nothing from it
SILENT = 3  # times ping_s without any byte: the client is gone

log = structlog.get_logger(__name__)

_encode = msgspec.json.Encoder().encode
_framer = Connection(ConnectionType.SERVER)
_PING = _framer.send(Ping())
_EMPTY_PONG = b"\x8a\x80"  # four bytes of mask follow


def frame_of(text: bytes) -> bytes:
    """The frame of a text: the same for every client, because a server does not mask."""
    return _framer.send(TextMessage(data=text.decode()))


class Source(Protocol):
    """What a socket listens to: the channel of a room, or the operators' cockpit."""

    room_id: str

    def join(self, listener: Any, /) -> None:
        """Begin to send it messages."""
        ...

    def part(self, listener: Any, /) -> None:
        """Stop; a repeat is no error."""
        ...

    def serve(self, listener: Any, /) -> None:
        """Its buffer has room again."""
        ...


class Socket(Client):
    """A listener of a channel, and the viewer of its frames."""

    __slots__ = (
        "_channel",
        "_close_bytes",
        "_closing_s",
        "_deaf",
        "_full_s",
        "_heard_s",
        "_hub",
        "_inbound",
        "_paused_s",
        "_pinged",
        "_seat",
        "_task",
        "_text",
        "_transport",
        "_waiting",
        "caller",
        "greeted",
        "place",
        "role",
        "room_id",
        "send",
    )

    def __init__(
        self,
        hub: "Hub",
        channel: Source,
        place: int,
        caller: Buyer | Operator | None,
        role: RoomRole,
    ) -> None:
        self._hub = hub
        self._channel = channel
        self.room_id = channel.room_id
        self.place = place
        self.caller = caller
        self.role = role
        self.greeted = False
        # The transport's own `write` while its buffer has room: no call in between.
        self.send: Callable[[bytes], object] | None = None
        self._transport: asyncio.Transport | None = None
        self._inbound: Connection | None = None
        self._text = ""  # of an incomplete message
        self._waiting: deque[tuple[Handle, ClientFrame]] | None = None
        self._task: asyncio.Task[None] | None = None
        self._seat: Seat | None = None  # of the private channel
        # Spread the pings of clients that came together.
        self._heard_s = hub.now() - random.random() * hub.ping_s
        self._pinged = False
        self._paused_s = 0.0
        self._closing_s = 0.0
        self._close_bytes = CLOSE_BYTES
        self._deaf = False  # whether we stopped reading
        self._full_s = 0.0

    def begin(self, transport: asyncio.Transport, head: bytes, hello: Struct, rest: bytes) -> None:
        """Take over the transport: answer the handshake, say hello, read the remaining bytes."""
        self._transport = transport
        raw = transport.get_extra_info("socket")
        raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, SEND_BUFFER)
        transport.set_write_buffer_limits(high=SEND_BUFFER)
        transport.write(head + frame_of(_encode(hello)))
        self.send = transport.write
        self._hub.add(self)
        self._channel.join(self)
        if rest:
            self.data_received(rest)

    @property
    def heard_s(self) -> float:
        """Loop time of the last byte from the client."""
        return self._heard_s

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._closing_s

    @property
    def frames(self) -> Frames:
        """What its client may send."""
        return self._hub.frames

    # The interface Listener.

    def is_slow(self, behind: int) -> bool:
        if not self._paused_s:
            return False
        live = self._hub.live
        return (
            behind > live.behind_events
            or (self._hub.now() - self._paused_s) * 1000 > live.behind_ms
        )

    def leave(self, why: str, retry_ms: int | None = None) -> None:
        if self._closing_s or self._transport is None:
            return
        close = CLOSES[why]
        self.send = None
        self._closing_s = self._hub.now()
        reason = close.reason if retry_ms is None else restart_reason(retry_ms)
        frame = Connection(ConnectionType.SERVER).send(CloseConnection(close.code, reason))
        self._transport.write(frame)
        self._hub.note_close(why)
        self._channel.part(self)
        self._close_private_channel()
        if close.fault:
            self._stop_reading()

    def is_of(self, buyer_id: str) -> bool:
        return isinstance(self.caller, Buyer) and self.caller.buyer_id == buyer_id

    # The interface Viewer.

    def tell(self, message: Struct) -> None:
        if self.send is not None:
            self.send(frame_of(_encode(message)))

    def open_private_channel(self, buyer_id: str, place: str) -> None:
        if self._closing_s or self._transport is None:
            return  # it went while it was greeted
        try:
            self._seat = self._hub.parts[Notices].join(buyer_id, place, self._deliver)
        except TooOften as refused:  # too many sockets of this buyer
            problem = problem_of(refused)
            if problem is not None:
                self._fail(problem, None)

    def _deliver(self, text: bytes) -> bool:
        """Send a message of the private channel, as long as the token is valid."""
        if self.send is None or self.caller is None:
            return False
        try:
            self._hub.parts[TokenSigner].check_time(self.caller)
        except IdentityFault:
            self.leave("unauthenticated")
            return False
        self.send(frame_of(text))
        return True

    def _close_private_channel(self) -> None:
        seat, self._seat = self._seat, None
        if seat is not None:
            self._hub.parts[Notices].part(seat)

    # Callbacks of the transport.

    def data_received(self, data: bytes) -> None:
        """Limits the rate of all input: each frame of any kind, and each incomplete piece."""
        self._heard_s = self._hub.now()
        asked, self._pinged = self._pinged, False
        if self._inbound is None:
            if asked and len(data) == 6 and data[:2] == _EMPTY_PONG:
                return  # most input is the answer to our ping
            self._inbound = Connection(ConnectionType.SERVER)
        if self._closing_s:
            self._close_bytes -= len(data)
            if self._close_bytes < 0:
                self._stop_reading()
                return
        before_s = self._full_s
        try:
            self._inbound.receive_data(data)
            for event in self._inbound.events():
                self._take(event)
                if self._deaf:
                    return
            if self._full_s == before_s and not self._closing_s:
                self._count()
        except BadFrame as bad:
            self._refuse(bad)
        except (RemoteProtocolError, LocalProtocolError):
            self.leave("protocol_error")

    def _stop_reading(self) -> None:
        """Stop reading, and close our side. `look` ends it soon."""
        if self._transport is not None and not self._deaf:
            self._deaf = True
            self._transport.pause_reading()
            self._transport.write_eof()
        self._inbound = None

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        self.send = None
        self._paused_s = self._hub.now()
        if self._transport is not None:
            self._hub.parts[Places].owe(self, self._transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        self._paused_s = 0.0
        self._hub.parts[Places].settle(self)
        if self._transport is not None and not self._closing_s:
            self.send = self._transport.write
            self._channel.serve(self)
            if self._seat is not None:
                self._hub.parts[Notices].serve(self._seat)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._transport = self.send = None
        self._channel.part(self)
        self._close_private_channel()
        self._hub.remove(self)
        # Its last call continues: a cancelled call costs a connection to the store.

    def look(self, now: float, _head_s: float) -> None:
        """Twice a second: ping silent clients; abort those that are gone, slow, or do not close."""
        if self._transport is None:
            return
        if self._closing_s:
            if now - self._closing_s > (REFUSED_S if self._deaf else CLOSE_S):
                self._transport.abort()
            return
        quiet_s, ping_s = now - self._heard_s, self._hub.ping_s
        ask_s = self._hub.host_ping_s if self.role is RoomRole.HOST else ping_s
        if quiet_s > SILENT * ping_s:
            self.leave("silent")
        elif self._paused_s and self.is_slow(0):
            self.leave("too_slow")
        elif quiet_s > ask_s and not self._pinged and not self._paused_s:
            self._pinged = True
            self._transport.write(_PING)

    def cut(self) -> None:
        """Abort without a close frame."""
        if self._transport is not None:
            self._transport.abort()

    def cut_debtor(self) -> None:
        self._hub.note_close("too_slow")
        self.cut()

    def give_way(self) -> bool:
        if self.caller is not None or self._closing_s or self._transport is None:
            return False
        self.leave("full")
        self._transport.close()  # after the frame is sent
        return True

    def _take(self, event: object) -> None:
        if isinstance(event, CloseConnection):
            self._answer_close(event)
        elif self._closing_s:
            return
        elif isinstance(event, Pong):
            self._count()
        elif isinstance(event, Ping):
            self._take_ping(event)
        elif isinstance(event, BytesMessage):
            self._refuse(BadFrame("invalid_field", "Only text is understood.", "no_binary"))
        elif isinstance(event, TextMessage):
            self._take_text(event)

    def _take_ping(self, event: Ping) -> None:
        self._count()
        if self.send is not None:
            self.send(_framer.send(event.response()))

    def _answer_close(self, event: CloseConnection) -> None:
        transport = self._transport
        if transport is None:
            return
        if self._inbound is not None and self._inbound.state is ConnectionState.OPEN:
            # Not a close of the client: wsproto reports a parse error in this way.
            self.leave(
                "not_utf8"
                if event.code == CloseReason.INVALID_FRAME_PAYLOAD_DATA
                else "protocol_error"
            )
            return
        if not self._closing_s:
            self.send = None
            self._closing_s = self._hub.now()
            transport.write(Connection(ConnectionType.SERVER).send(event.response()))
            self._hub.note_close("client")
        transport.close()

    def _take_text(self, event: TextMessage) -> None:
        text = self._text + event.data
        try:
            if len(text.encode()) > self._hub.live.max_frame_bytes:
                detail = f"A frame has at most {self._hub.live.max_frame_bytes} bytes."
                raise BadFrame("body_too_large", detail, "frame_too_large")
            if event.frame_finished:
                self._count()
            if not event.message_finished:
                self._text = text
                return
            self._text = ""
            self._handle(*self.frames.read(text))
        except BadFrame as bad:
            self._refuse(bad)

    def _count(self) -> None:
        """Count one frame by the generic cell rate algorithm. Raises BadFrame above the limit."""
        live, now = self._hub.live, self._hub.now()
        self._full_s = max(self._full_s, now) + 1 / live.frames_per_s
        if self._full_s - now > live.frames_burst / live.frames_per_s + 1e-9:
            raise BadFrame("slow_down", "Too many frames.", "too_many_frames")

    def _handle(self, handle: Handle, frame: ClientFrame) -> None:
        if self._task is not None:
            waiting = self._waiting = self._waiting or deque()
            if len(waiting) >= self._hub.live.frames_burst:
                raise BadFrame("slow_down", "Too many frames at once.", "too_many_frames")
            waiting.append((handle, frame))
            return
        work = handle(self._hub.parts, self, frame)
        if work is not None:
            self._task = self._hub.tasks.errand("socket frames", self._finish(work, frame))

    async def _finish(self, work: Awaitable[None], frame: ClientFrame) -> None:
        """Finish a handler, then handle the frames that waited for it."""
        while True:
            try:
                await work
            except BadFrame as bad:
                self._refuse(bad)
            except Exception as fault:  # a bug: it must not affect the room
                problem = problem_of(fault)
                if problem is None:
                    log.exception("unexpected error", frame=frame.__struct_config__.tag)
                    problem = Problem("internal_error")
                self._fail(problem, frame.ref)
            again = self._next()
            if again is None:
                self._task = None
                return
            work, frame = again

    def _next(self) -> tuple[Awaitable[None], ClientFrame] | None:
        while self._waiting and not self._closing_s and self._transport is not None:
            handle, frame = self._waiting.popleft()
            work = handle(self._hub.parts, self, frame)
            if work is not None:
                return work, frame
        return None

    def _fail(self, problem: Problem, ref: str | None) -> None:
        document = json.loads(problem.encode())
        detail = document.get("detail") or document["title"]
        self.tell(
            Failed(
                code=problem.code,
                detail=detail,
                ref=ref,
                until_ms=document.get("until_ms"),
                retry_after_s=document.get("retry_after_s"),
            )
        )

    def _refuse(self, bad: BadFrame) -> None:
        self._fail(bad, bad.ref)
        self.leave(bad.why)
