"""The port for lines: `RedisLine` is the real one, `TwinLine` works in memory.

Every call is one atomic step with at most one entry in the log of the drop's partition. An answer
is as durable as a reservation. The faults are those of `stock.engine`.
"""

from collections.abc import Sequence
from typing import Protocol

from stock.line.model import (
    JoinOutcome,
    LeaveCode,
    LineCloseCode,
    LineOpenCode,
    LineSnapshot,
    LineTerms,
    NextInLine,
    Place,
    ServeOutcome,
)


class Line(Protocol):
    """The lines of an engine's drops."""

    async def open(self, drop_id: str, terms: LineTerms) -> LineOpenCode:
        """Let people gather before a drop that sells by tickets, until it opens."""
        ...

    async def join(self, drop_id: str, buyers: Sequence[str]) -> list[JoinOutcome]:
        """Give 1 to 256 buyers a place each, in order; a buyer who has one keeps it."""
        ...

    async def leave(self, drop_id: str, buyer_id: str) -> LeaveCode:
        """Give a place up. Nobody moves; its turn passes unused."""
        ...

    async def close(self, drop_id: str, seed: str) -> LineCloseCode:
        """End the gathering at the opening and reveal the seed: the line is open then."""
        ...

    async def serve(
        self, drop_id: str, serving: int, promised: int, per_mille: int
    ) -> ServeOutcome:
        """Give turns to as many people as the books, the rate and the live turns allow.

        `serving` is what the caller knows; `promised` are the units that live turns will take;
        `per_mille` are the units that a turn takes on average, in thousandths.
        """
        ...

    async def hold(self, drop_id: str, serving: int, people: Sequence[NextInLine]) -> ServeOutcome:
        """Hold a unit for each of up to 256 next people, as far as there are units.

        Only for draws and waitlists. Who has left or has enough is passed over.
        """
        ...

    async def snapshot(self, drop_id: str, after: int = -1) -> LineSnapshot | None:
        """The line at one instant, with its turns that end behind the position `after`."""
        ...

    async def places(self, drop_id: str, buyers: Sequence[str]) -> list[Place | None]:
        """The places of 1 to 256 buyers, each None without one."""
        ...

    async def place(self, drop_id: str, buyer_id: str) -> Place | None:
        """The place of a buyer, or None."""
        ...
