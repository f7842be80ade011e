"""/v1/admin/skus/{sku_id}/moves, /v1/admin/stock-moves"""

from typing import Annotated

from msgspec import Meta, Struct

from livesale.access.actions import Action
from livesale.catalogue.stock_moves.kinds import MoveKind
from livesale.catalogue.stock_moves.service import Moved, NewMove, StockMoves
from livesale.catalogue.stock_moves.store import Move
from livesale.parts import Parts
from livesale.validation.texts import whole
from livesale.web.routes import Answer, Call, Route

_ID = r"^[0-9a-z]{0,15}$"
MOVE_CURSOR = r"^([0-9]{1,13}\.[a-z_]{1,12}\|[!-~]{1,66})?$"


class MovesQuery(Struct, frozen=True):
    after: Annotated[
        str,
        whole(MOVE_CURSOR, description="`next` of a page"),
    ] = ""
    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    sku_id: Annotated[str, whole(_ID, description="only those of this SKU")] = ""
    drop_id: Annotated[str, whole(_ID, description="only those of this drop")] = ""
    kind: Annotated[MoveKind | None, Meta(description="only those of this kind")] = None


class MovePage(Struct, frozen=True):
    """Send `next` as `after` to get the next page; null at the end."""

    moves: list[Move]
    next: str | None


async def move_stock(parts: Parts, call: Call) -> Answer:
    moved = await parts[StockMoves].move(call.path["sku_id"], call.body, call.operator, call.key)
    return Answer(200, moved)


async def list_moves(parts: Parts, call: Call) -> Answer:
    query = call.query
    found, cursor = await parts[StockMoves].list(
        after=query.after,
        limit=query.limit,
        sku_id=query.sku_id,
        drop_id=query.drop_id,
        kind=query.kind or "",
    )
    return Answer(200, MovePage(found, cursor))


ROUTES = [
    Route(
        "POST",
        "/v1/admin/skus/{sku_id}/moves",
        move_stock,
        "Receive units of a SKU, or scrap free ones",
        "admin",
        {200: Moved},
        (
            *("unknown_sku", "stock_not_kept", "too_little_stock"),
            *("idempotency_conflict", "store_unavailable"),
        ),
        auth="operator",
        action=Action.STOCK_MOVE,
        body=NewMove,
        keyed=True,
        changes=True,
        description="With an `Idempotency-Key`, a retry moves nothing twice.",
    ),
    Route(
        "GET",
        "/v1/admin/stock-moves",
        list_moves,
        "Moves of stock, the newest first",
        "admin",
        {200: MovePage},
        ("store_unavailable",),
        auth="operator",
        action=Action.GOODS_READ,
        query=MovesQuery,
        description=(
            "The sum of `on_hand` of a SKU's moves is what is here; that of `in_drops` is what "
            "drops have of it."
        ),
    ),
]
