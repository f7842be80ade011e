"""The port: what every engine does. `RedisEngine` is the real one, `TwinEngine` lives in memory.

One contract suite (tests/stock/test_contract.py) runs against both. All methods may raise
`NotSent`, `OutcomeUnknown`, `ScriptRefused` or `BooksBroken` (see stock.errors); all refusals are
values of stock.model.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from stock.books import Books
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
)


class Engine(Protocol):
    """Sells drops. Every call is one atomic step with at most one entry in the log."""

    async def open_drop(self, drop_id: str, terms: DropTerms) -> OpenCode:
        """Put a drop on sale from `terms.opens_ms` on. The same terms again are a replay."""
        ...

    async def reserve(self, drop_id: str, attempts: Sequence[Attempt]) -> BatchOutcome:
        """Answer 1 to 256 attempts on one drop, in their order."""
        ...

    async def confirm(self, rid: str, payment_id: str, amount_fen: int) -> ConfirmOutcome:
        """End a hold by a verified payment, or learn that the money must go back."""
        ...

    async def grant(self, drop_id: str, source: str, grants: Sequence[Grant]) -> list[GrantOutcome]:
        """Give units away, 1 to 256 grants in their order: each is sold at price 0, once per rid.

        `source` says what they are given for; the log and the ledger keep it. The units come from
        stock, or from a hold at price 0 that has the rid. A pause, the times of the drop and the
        buyer's limit count as for a reservation; tickets and expired holds do not.
        """
        ...

    async def release(self, rid: str, buyer_id: str) -> ReleaseOutcome:
        """Give the buyer's hold back."""
        ...

    async def expire(self, drop_id: str, rids: Sequence[str]) -> int:
        """End those of 1 to 256 holds whose deadline has passed; say how many that were.

        Raises FencedOff when the epoch has moved on.
        """
        ...

    async def adjust_drop(
        self, drop_id: str, adjust_id: str, delta: int, reason: str
    ) -> tuple[AdjustCode, int]:
        """Restock or scrap, once per `adjust_id`; also says what is available then."""
        ...

    async def pause_drop(self, drop_id: str) -> StateCode:
        """Refuse new reservations until it is resumed."""
        ...

    async def resume_drop(self, drop_id: str) -> StateCode:
        """Sell again after a pause."""
        ...

    async def close_drop(self, drop_id: str, *, only_when_due: bool = False) -> StateCode:
        """End the sale for ever; holds live on until they are paid, released or expire."""
        ...

    async def archive_drop(
        self, drop_id: str, books: Books, reservations: int, offset: str
    ) -> ArchiveCode:
        """Forget a finished drop that somebody else holds whole.

        `books` and `reservations` are what they hold, by the log up to the id `offset`.
        """
        ...

    async def snapshot(self, drop_id: str) -> Snapshot | None:
        """The drop at one instant, or None when it was never opened."""
        ...

    async def reservation(self, rid: str) -> Reservation | None:
        """The record of a claim, or None."""
        ...

    def buyers(self, drop_id: str) -> AsyncIterator[str]:
        """The names of all who ever held units of a drop; names only come, they never go."""
        ...

    async def due(self, partition: int, limit: int) -> list[str]:
        """Rids and drop ids whose time has passed, the oldest first."""
        ...

    async def now_ms(self) -> int:
        """The engine's clock."""
        ...
