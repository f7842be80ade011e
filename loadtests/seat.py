"""One viewer of a room: takes the socket's bytes, returns events, checks every number. No I/O.

Load tests, the demo and the benchmark of rooms share it; they differ in the transport. Within an
epoch the event numbers rise by one, over all connections of a viewer; a snapshot starts again.
"""

import msgspec
from msgspec import Struct

from loadtests import frames
from loadtests.history import Watched

NO_CODE = 1006  # the connection broke: no close frame has this code
ANSWERS = {"commented", "error", "welcome", "pong"}
_UNNUMBERED = {"hello", "snapshot", *ANSWERS}


class HeardDrop(Struct):
    drop_id: str


class Heard(Struct):
    """The fields of a message that a viewer needs here."""

    type: str
    offset: int = 0
    at_ms: int = 0
    epoch: str = ""
    resumed: bool = False
    drop: HeardDrop | None = None
    code: str = ""

    @property
    def drop_id(self) -> str:
        """The drop of the event, if any."""
        return "" if self.drop is None else self.drop.drop_id

    @property
    def numbered(self) -> bool:
        """Whether it is an event: only events have a number."""
        return self.type not in _UNNUMBERED


Message = tuple[Heard, bytes]  # and its text

_heard = msgspec.json.Decoder(Heard).decode


class Gone(Exception):
    """The socket is closed. `retry_s` is the advised time to come back, if any."""

    def __init__(self, code: int = NO_CODE, reason: str = "", retry_s: float | None = None) -> None:
        super().__init__(f"{code} {reason}".strip())
        self.code, self.reason, self.retry_s = code, reason, retry_s


class Restart(Struct):
    reason: str = ""
    retry_ms: int = 0


class Seat:
    """`place` is the number of the last event, None before a snapshot; `seen` collects the notes;
    `owed` are bytes to send; `gone` says how the connection was closed or refused."""

    __slots__ = ("_rest", "_target", "epoch", "gone", "owed", "place", "seen", "shaken")

    def __init__(self, seen: Watched) -> None:
        self.seen = seen
        self.epoch = ""
        self.place: int | None = None
        self.leave()

    def leave(self) -> None:
        """Forget the connection, and keep the place."""
        self.owed = b""
        self.shaken = False
        self.gone: Gone | None = None
        self._rest = b""
        self._target: int | None = None

    def connect(self, authority: str, token: str = "") -> bytes:
        """The handshake of a new connection, which resumes from `place`."""
        self.leave()
        place = "" if self.place is None else f"?epoch={self.epoch}&after={self.place}"
        path = f"/v1/rooms/{self.seen.room_id}/socket{place}"
        return frames.handshake(authority, path, token)

    @property
    def up(self) -> bool:
        """Whether it is connected and has all missed events."""
        return self._target is not None and self.place is not None and self.place >= self._target

    @property
    def halfway(self) -> bool:
        """Whether a message has arrived in part."""
        return bool(self._rest)

    def receive(self, data: bytes) -> list[Message]:
        """The complete messages, each noted. Ignores bytes after the close frame."""
        data = self._rest + data
        if not self.shaken:
            data = self._shake(data)
        messages, end = [], 0
        for opcode, content, end in frames.split(data):  # noqa: B007  used after the loop
            if opcode == frames.TEXT:
                heard = _heard(content)
                self.hear(heard)
                messages.append((heard, content))
            elif opcode == frames.PING:
                self.owed += frames.PONG
            elif opcode == frames.CLOSE:
                self.gone = _said(content)
                break
        if self.shaken:
            self._rest = data[end:]
        return messages

    def hear(self, heard: Heard) -> None:
        """Note one message."""
        if heard.numbered:
            self.count(heard)
        elif heard.type == "hello":
            self._greet(heard)
        elif heard.type == "snapshot":
            self.seen.anew += self.place is not None
            self.epoch, self.place = heard.epoch, heard.offset

    def count(self, event: Heard) -> None:
        """Note one event."""
        seen, place = self.seen, self.place
        seen.events += 1
        if place is None:
            seen.wrong.append(f"event {event.offset} came before a snapshot")
        elif event.offset > place + 1:
            seen.wrong.append(f"event {place + 1} of epoch {self.epoch} is missing")
        elif event.offset <= place:
            seen.wrong.append(f"event {event.offset} of epoch {self.epoch} came twice")
        self.place = event.offset

    def _greet(self, hello: Heard) -> None:
        self.seen.connections += 1
        self.seen.resumed += hello.resumed
        if not hello.resumed:
            self.seen.anew += self.place is not None
            self.place = None
        elif hello.epoch != self.epoch:
            self.seen.wrong.append(f"resumed in epoch {hello.epoch}, asked for {self.epoch}")
        self.epoch, self._target = hello.epoch, hello.offset

    def _shake(self, data: bytes) -> bytes:
        """Read the answer to the handshake, once it is complete; keep the bytes after it."""
        head, end, rest = data.partition(b"\r\n\r\n")
        if not end:
            self._rest = data
            return b""
        status = head[9:12]
        if status != b"101":
            self.gone = Gone(int(status) if status.isdigit() else NO_CODE)
            return b""
        self.shaken = True
        return rest


def _said(content: bytes) -> Gone:
    """Code, reason and advice of a close frame."""
    code, reason = int.from_bytes(content[:2]) or NO_CODE, content[2:].decode(errors="replace")
    try:
        restart = msgspec.json.decode(reason, type=Restart)
    except msgspec.DecodeError:
        return Gone(code, reason)
    return Gone(code, restart.reason, restart.retry_ms / 1000)
