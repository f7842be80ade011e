"""The port for engines. `RedisEngine` is the real one, `TwinEngine` works in memory.

One contract suite (tests/stock/test_contract.py) runs against both. All methods may raise
`NotSent`, `OutcomeUnknown`, `ScriptRefused` or `BooksBroken` (see stock.errors); all refusals are
values of stock.model.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from stock.books import Books
from stock.line.engine import Line
from stock.model import (
    AdjustCode,
    ArchiveCode,
    Attempt,
    BatchOutcome,
    ConfirmOutcome,
    DropTerms,
    Grant,
    GrantOutcome,
    OpenCode,
    ReleaseOutcome,
    Reservation,
    Snapshot,
    StateCode,
    TakeBack,
    TakeBackCode,
)


class Engine(Protocol):
    """Sells drops. Every call is one atomic step with at most one entry in the log."""

    @property
    def line(self) -> Line:
        """The lines in front of its drops."""
        ...

    async def open_drop(self, drop_id: str, terms: DropTerms) -> OpenCode:
        """Put a drop on sale from `terms.opens_ms` on. A repeat with the same terms is a replay."""
        ...

    async def reserve(self, drop_id: str, attempts: Sequence[Attempt]) -> BatchOutcome:
        """Answer 1 to 256 attempts on one drop, in order."""
        ...

    async def confirm(self, rid: str, payment_id: str, amount_fen: int) -> ConfirmOutcome:
        """Sell a hold by a verified payment, or find out that a refund is due."""
        ...

    async def grant(self, drop_id: str, source: str, grants: Sequence[Grant]) -> list[GrantOutcome]:
        """Give units away, 1 to 256 grants in order: each is sold at price 0, once per rid.

        `source` is the reason, which goes into log and ledger. The units come from stock, or from a
        hold at price 0 with the same rid. A pause, the drop's times and the buyer's limit apply as
        for a reservation; tickets and expired holds do not.
        """
        ...

    async def release(self, rid: str, buyer_id: str) -> ReleaseOutcome:
        """Release the buyer's hold."""
        ...

    async def expire(self, drop_id: str, rids: Sequence[str]) -> int:
        """End those of 1 to 256 holds whose deadline has passed; returns how many.

        Raises FencedOff if the partition has another epoch.
        """
        ...

    async def adjust_drop(
        self, drop_id: str, adjust_id: str, delta: int, reason: str
    ) -> tuple[AdjustCode, int]:
        """Restock or scrap, once per `adjust_id`; also says what is available then."""
        ...

    async def take_back(self, back: TakeBack) -> tuple[TakeBackCode, int]:
        """Return units of a sold reservation to stock or burn them, once per `take_id`; also says
        what is available then. A closed drop takes nothing back."""
        ...

    async def pause_drop(self, drop_id: str) -> StateCode:
        """Refuse new reservations until `resume`."""
        ...

    async def resume_drop(self, drop_id: str) -> StateCode:
        """Sell again after a pause."""
        ...

    async def close_drop(self, drop_id: str, *, only_when_due: bool = False) -> StateCode:
        """End the sale for ever; holds remain until they are paid, released or expired."""
        ...

    async def archive_drop(
        self, drop_id: str, books: Books, reservations: int, offset: str, places: int = 0
    ) -> ArchiveCode:
        """Remove a finished drop that another store holds completely, with its line.

        `books`, `reservations` and the `places` of its line are that store's numbers, from the log
        up to the id `offset`.
        """
        ...

    async def snapshot(self, drop_id: str) -> Snapshot | None:
        """The drop at one instant, or None if it was never opened."""
        ...

    async def reservation(self, rid: str) -> Reservation | None:
        """The record of a reservation, or None."""
        ...

    def buyers(self, drop_id: str) -> AsyncIterator[str]:
        """The ids of all buyers who ever held units of a drop; the set only grows."""
        ...

    async def due(self, partition: int, limit: int) -> list[str]:
        """Rids and drop ids whose time has passed, the oldest first."""
        ...

    async def now_ms(self, partition: int | None = None) -> int:
        """The engine's clock: of a partition, which decides what is due there, or any."""
        ...
