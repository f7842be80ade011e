"""Holds the numbers that one viewer of a room gets against each other. No I/O.

Within an epoch they rise by one, over all connections of a viewer; a snapshot begins anew.
"""

from msgspec import Struct

from loadtests.history import Watched

ANSWERS = {"commented", "error", "welcome", "pong"}


class HeardDrop(Struct):
    drop_id: str


class Heard(Struct):
    """What a viewer reads of a message; the rest is for the screen."""

    type: str
    offset: int = 0
    at_ms: int = 0
    epoch: str = ""
    resumed: bool = False
    drop: HeardDrop | None = None
    code: str = ""


class Numbers:
    """`place` is the number of the last event, None before a snapshot; `seen` takes the notes."""

    def __init__(self, seen: Watched) -> None:
        self.seen = seen
        self.epoch = ""
        self.place: int | None = None

    @property
    def query(self) -> str:
        """Of the address with which a viewer comes back to its place."""
        return "" if self.place is None else f"?epoch={self.epoch}&after={self.place}"

    def hear(self, heard: Heard) -> bool:
        """Take a message; whether it is a numbered event."""
        if heard.type == "hello":
            self._greet(heard)
        elif heard.type == "snapshot":
            self.epoch, self.place = heard.epoch, heard.offset
        elif heard.type not in ANSWERS:
            self._count(heard)
            return True
        return False

    def _greet(self, hello: Heard) -> None:
        self.seen.connections += 1
        self.seen.resumed += hello.resumed
        if not hello.resumed:
            self.place = None
        elif hello.epoch != self.epoch:
            self.seen.wrong.append(f"resumed in epoch {hello.epoch}, asked for {self.epoch}")
        self.epoch = hello.epoch

    def _count(self, event: Heard) -> None:
        self.seen.events += 1
        if self.place is None:
            self.seen.wrong.append(f"event {event.offset} came before a snapshot")
        elif event.offset > self.place + 1:
            self.seen.wrong.append(f"event {self.place + 1} of epoch {self.epoch} is missing")
        elif event.offset <= self.place:
            self.seen.wrong.append(f"event {event.offset} of epoch {self.epoch} came twice")
        self.place = event.offset
