"""The newest notices of all buyers in one worker, by buyer: for clients that come back. No I/O.

A notice replaces the one before it of the same thing, so a buyer costs one for each reservation and
refund that changed lately. Bounded: the oldest fall out, and whoever may have missed them is told
to read again. Reminders fall out silently: a hold says itself when it ends.
"""

from collections.abc import Iterator

from msgspec import Struct

from livesale.notices.events import Notice
from livesale.notices.place import START, Place, Position

MAX_CHANGES = 10_000
MAX_REMINDERS = 20_000


class Change(Struct, frozen=True, gc=False):
    """`number` is this worker's own, and rises by one."""

    number: int
    source: str
    position: Position
    notice: Notice


class _Shelf:
    """Changes by buyer and thing, bounded."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._of: dict[str, dict[str, Change]] = {}
        self._order: dict[tuple[str, str], None] = {}

    def __len__(self) -> int:
        return len(self._order)

    def of(self, buyer_id: str) -> Iterator[Change]:
        yield from self._of.get(buyer_id, {}).values()

    def put(self, buyer_id: str, thing: str, change: Change) -> None:
        self.remove(buyer_id, thing)
        self._of.setdefault(buyer_id, {})[thing] = change
        self._order[buyer_id, thing] = None

    def remove(self, buyer_id: str, thing: str) -> Change | None:
        own = self._of.get(buyer_id)
        change = own.pop(thing, None) if own else None
        if change is not None:
            del self._order[buyer_id, thing]
            if not own:
                del self._of[buyer_id]
        return change

    def shrink(self) -> Iterator[Change]:
        """What falls out."""
        while len(self._order) > self.most:
            gone = self.remove(*next(iter(self._order)))
            if gone is not None:
                yield gone


class Recent:
    """`number` is that of the newest change here."""

    def __init__(self, most: int = MAX_CHANGES) -> None:
        self.epoch = ""
        self.number = 0
        self._lost = 0  # the newest number that fell out
        self._positions: dict[str, Position] = {}
        self._floors: dict[str, Position] = {}  # up to there, changes may be missing here
        self._changes = _Shelf(most)
        self._reminders = _Shelf(MAX_REMINDERS)

    def __len__(self) -> int:
        return len(self._changes) + len(self._reminders)

    @property
    def place(self) -> Place:
        """Where everything that is known here has been told."""
        return Place(self.epoch, dict(self._positions))

    def begin(self, source: str, floor: Position) -> None:
        """A source from which all changes after `floor` will come."""
        self._floors[source] = self._positions[source] = floor

    def move(self, source: str, position: Position) -> None:
        """All changes of a source up to there have come."""
        self._positions[source] = max(position, self._positions.get(source, START))

    def add(
        self, source: str, position: Position, buyer_id: str, thing: str, notice: Notice
    ) -> None:
        self.number += 1
        change = Change(self.number, source, position, notice)
        self._reminders.remove(buyer_id, thing)
        self._changes.put(buyer_id, thing, change)
        for gone in self._changes.shrink():
            self._lost = max(self._lost, gone.number)
            self._floors[gone.source] = max(self._floors.get(gone.source, START), gone.position)

    def remind(
        self, source: str, position: Position, buyer_id: str, thing: str, notice: Notice
    ) -> None:
        """As `add`, for a reminder of a thing, which its next change removes."""
        self.number += 1
        self._reminders.put(buyer_id, thing, Change(self.number, source, position, notice))
        for _ in self._reminders.shrink():
            pass

    def after_place(self, buyer_id: str, place: Place | None) -> list[Notice] | None:
        """What a buyer has missed since a place; None if that cannot be told here."""
        if place is None or place.epoch != self.epoch:
            return None
        for source, floor in self._floors.items():
            if place.positions.get(source, (-1, 0)) < floor:
                return None
        return self._sorted(
            [
                change
                for shelf in (self._changes, self._reminders)
                for change in shelf.of(buyer_id)
                if change.position > place.positions.get(change.source, START)
            ]
        )

    def after_number(self, buyer_id: str, number: int) -> list[Notice] | None:
        """What came for a buyer since a number of this worker; None if it is not here any more."""
        if number < self._lost:
            return None
        return self._sorted(
            [
                change
                for shelf in (self._changes, self._reminders)
                for change in shelf.of(buyer_id)
                if change.number > number
            ]
        )

    def _sorted(self, changes: list[Change]) -> list[Notice]:
        return [change.notice for change in sorted(changes, key=lambda one: one.number)]
