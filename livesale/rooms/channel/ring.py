"""The last events of a room in one worker: encoded once, shared by all its clients.

No I/O. The ring holds consecutive numbers of one epoch, bounded in count and in bytes. The oldest
events fall out: clients behind them need a snapshot.
"""

from collections import deque
from collections.abc import Callable

from msgspec import Struct

MAX_BYTES = 4 * 1024 * 1024

Encode = Callable[[bytes], bytes]


class Sent(Struct, frozen=True, gc=False):
    """One event, as JSON and as a WebSocket frame."""

    offset: int
    text: bytes
    frame: bytes
    patient: bool  # it may wait for the next of its kind


class Ring:
    """`last` is the number of the newest known event, even if the ring is empty."""

    def __init__(self, epoch: str, last: int, max_events: int) -> None:
        self.epoch = epoch
        self.last = last
        self._max = max_events
        self._sent: deque[Sent] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._sent)

    @property
    def first(self) -> int:
        """The lowest place from which a client can resume."""
        return self.last - len(self._sent)

    def at(self, offset: int) -> Sent | None:
        """The event with this number, if it is in the ring."""
        place = offset - self.first - 1
        return self._sent[place] if 0 <= place < len(self._sent) else None

    def append(self, sent: Sent) -> None:
        """Add the next event. Raises ValueError for any other."""
        if sent.offset != self.last + 1:
            raise ValueError(f"event {sent.offset} does not follow on {self.last}")
        self._sent.append(sent)
        self.last = sent.offset
        self._bytes += len(sent.frame)
        while len(self._sent) > self._max or self._bytes > MAX_BYTES:
            self._bytes -= len(self._sent.popleft().frame)

    def reaches(self, after: int) -> bool:
        """Whether all events after `after` are here."""
        return self.first <= after <= self.last

    def after(self, offset: int, limit: int | None = None) -> list[Sent]:
        """At most `limit` events after `offset`, which the ring reaches."""
        start = offset - self.first
        stop = len(self._sent) if limit is None else min(len(self._sent), start + limit)
        return [self._sent[place] for place in range(start, stop)]

    def frames(self, offset: int) -> bytes:
        """All frames after `offset`, which the ring reaches, as bytes; copies none if it is one."""
        found = self.after(offset)
        return found[0].frame if len(found) == 1 else b"".join([sent.frame for sent in found])
