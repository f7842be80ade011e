"""What operators do with the stock of a SKU."""

import hashlib
from typing import Annotated, Literal

from msgspec import Meta, Struct

from livesale.action_log.record import note_change
from livesale.catalogue.stock_moves import store
from livesale.catalogue.stock_moves.kinds import MoveKind, deltas_of
from livesale.catalogue.stock_moves.store import Cause, Move, SkuStock
from livesale.database.engine import now_ms
from livesale.database.keyset import key_of, next_cursor
from livesale.database.session import session
from livesale.resources import Deployment
from livesale.validation.refusals import StockRefused, Unknown
from livesale.validation.texts import prose
from stock.ids import new_id
from stock.model import MAX_UNITS


class NewMove(Struct, frozen=True, forbid_unknown_fields=True):
    """Units that came in, or that are gone: lost, broken, counted again."""

    kind: Literal["received", "scrapped"]
    units: Annotated[int, Meta(ge=1, le=MAX_UNITS, examples=[100])]
    note: Annotated[str, prose(description="why, or the delivery's number")]


class Moved(Struct, frozen=True):
    """A move, and the stock after it (after a later one, for a repeat)."""

    move: Move
    stock: SkuStock


class StockMoves:
    """All raise StoreUnavailable."""

    def __init__(self, deployment: Deployment) -> None:
        self._sql = deployment.sql

    async def stock(self, sku_id: str) -> SkuStock:
        """Raises Unknown("unknown_sku")."""
        async with session(self._sql) as connection:
            found = await store.find_stock(connection, sku_id)
        if found is None:
            raise Unknown("unknown_sku")
        return found

    async def move(self, sku_id: str, new: NewMove, actor: str, key: str | None) -> Moved:
        """Receive or scrap free units; with a `key` once.

        Raises Unknown, StockRefused (stock_not_kept, too_little_stock) or KeyConflict.
        """
        kind = MoveKind(new.kind)
        cause = Cause(
            move_id=f"operator|{_digest(sku_id, actor, key) if key else new_id()}",
            at_ms=now_ms(),
            note=new.note,
            actor=actor[:80],
        )
        deltas = deltas_of(kind, new.units, of_drop=False)
        async with session(self._sql, write=True) as connection:
            stock = await store.lock_stock(connection, sku_id)
            if stock is None:
                raise Unknown("unknown_sku")
            if not stock.keeps_stock:
                raise StockRefused("stock_not_kept", "The SKU keeps no stock.")
            after, move = await store.post(
                connection,
                stock,
                kind,
                new.units,
                deltas,
                cause,
                needs_free=kind is MoveKind.SCRAPPED,
            )
            note_change(stock, after)
        return Moved(move, after)

    async def list(
        self,
        *,
        after: str = "",
        limit: int = 50,
        sku_id: str = "",
        drop_id: str = "",
        kind: str = "",
    ) -> tuple[list[Move], str | None]:
        """The newest first; and the `after` of the next page."""
        async with session(self._sql) as connection:
            found = await store.list_moves(
                connection,
                before=key_of(after),
                limit=limit,
                sku_id=sku_id,
                drop_id=drop_id,
                kind=kind,
            )
        return found, next_cursor(found, limit, lambda move: (move.at_ms, move.move_id))


def _digest(*parts: str) -> str:
    text = "\n".join(parts)  # no part has a line end
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
