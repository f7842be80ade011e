"""SKUs, created and changed by operators."""

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType, field, structs
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.action_log.record import note_change
from livesale.catalogue.attributes import Attributes, check_attributes
from livesale.catalogue.products import shown
from livesale.catalogue.skus import store
from livesale.catalogue.skus.store import Sku
from livesale.catalogue.stock_moves.store import lock_stock, watch_level
from livesale.database.engine import now_ms
from livesale.database.session import session
from livesale.once.creations import Once, claim
from livesale.resources import Deployment
from livesale.validation.refusals import StockRefused, Unknown
from livesale.validation.texts import prose, whole
from stock.ids import DROP_ID_PATTERN, new_id
from stock.model import MAX_PRICE_FEN, MAX_UNITS

CODE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,63}$"

Title = Annotated[str, prose(examples=["Tea set, 12 pc"])]
PriceFen = Annotated[int, Meta(ge=1, le=MAX_PRICE_FEN, description="fen", examples=[9_900])]
Code = Annotated[
    str, whole(CODE_PATTERN, description="the shop's own code, of no other SKU", examples=["T-12"])
]
KeepsStock = Annotated[
    bool,
    Meta(description="drops get no more than the free units; they return what they do not sell"),
]
SafetyStock = Annotated[
    int, Meta(ge=0, le=MAX_UNITS, description="an alert is raised when fewer units are free")
]


class NewSku(Struct, frozen=True, forbid_unknown_fields=True):
    title: Title
    price_fen: PriceFen
    code: Code | None = None
    attributes: Attributes = field(default_factory=list)
    keeps_stock: KeepsStock = False
    safety_stock: SafetyStock = 0
    product_id: (
        Annotated[str, whole(DROP_ID_PATTERN, description="the product that it is one of")] | None
    ) = None


class SkuEdit(Struct, frozen=True, forbid_unknown_fields=True):
    """What is missing stays as it is."""

    title: Title | UnsetType = UNSET
    price_fen: PriceFen | UnsetType = UNSET
    code: Code | UnsetType | None = UNSET
    attributes: Attributes | UnsetType = UNSET
    keeps_stock: KeepsStock | UnsetType = UNSET
    safety_stock: SafetyStock | UnsetType = UNSET


class Skus:
    """All raise StoreUnavailable."""

    def __init__(self, deployment: Deployment) -> None:
        self._sql = deployment.sql

    async def create(self, new: NewSku, once: Once | None = None) -> Sku:
        """Raises StockRefused (code_taken) or InvalidField; Made, KeyConflict."""
        sku = sku_of(new, new.product_id)
        async with session(self._sql, write=True) as connection:
            await claim(connection, once, sku.sku_id)
            if sku.product_id is not None:
                await shown.lock_for_sku(connection, sku.product_id)
            await add(connection, sku)
            note_change(None, sku)
            await shown.sku_changed(connection, sku)
        return sku

    async def find(self, sku_id: str) -> Sku:
        """Raises Unknown("unknown_sku")."""
        async with session(self._sql) as connection:
            sku = await store.find_sku(connection, sku_id)
        if sku is None:
            raise Unknown("unknown_sku")
        return sku

    async def edit(self, sku_id: str, changes: SkuEdit) -> Sku:
        """Raises Unknown, StockRefused (code_taken) or InvalidField."""
        if changes.attributes is not UNSET:
            check_attributes(changes.attributes)
        async with session(self._sql, write=True) as connection:
            sku = await store.lock_sku(connection, sku_id)
            if sku is None:
                raise Unknown("unknown_sku")
            given = {
                name: value for name, value in structs.asdict(changes).items() if value is not UNSET
            }
            before, sku = sku, structs.replace(sku, **given, updated_ms=now_ms())
            note_change(before, sku)
            await _write(connection, sku, store.change_sku)
            await shown.sku_changed(connection, sku)
            stock = await lock_stock(connection, sku_id)
            if stock is not None:  # its safety stock may be another one
                await watch_level(connection, stock, sku.updated_ms)
        return sku

    async def list(
        self,
        *,
        before: str = "",
        limit: int = 50,
        product_id: str = "",
        code: str = "",
        below_safety: bool = False,
        keeps_stock: bool | None = None,
        words: str = "",
    ) -> list[Sku]:
        """The newest first."""
        async with session(self._sql) as connection:
            return await store.list_skus(
                connection,
                before=before,
                limit=limit,
                product_id=product_id,
                code=code,
                below_safety=below_safety,
                keeps_stock=keeps_stock,
                words=words,
            )


def sku_of(new: NewSku, product_id: str | None = None) -> Sku:
    """Raises InvalidField."""
    check_attributes(new.attributes)
    at_ms = now_ms()
    return Sku(
        new_id(),
        new.title,
        new.price_fen,
        at_ms,
        product_id,
        new.code,
        new.attributes,
        new.keeps_stock,
        new.safety_stock,
        updated_ms=at_ms,
    )


async def add(connection: AsyncConnection, sku: Sku) -> None:
    """Add a SKU. Raises StockRefused (code_taken)."""
    await _write(connection, sku, store.add_sku)


async def _write(connection: AsyncConnection, sku: Sku, write: Any) -> None:
    if sku.code is not None:
        other = await store.find_by_code(connection, sku.code)
        if other is not None and other.sku_id != sku.sku_id:
            raise _taken(sku.code)
    try:
        await write(connection, sku)
    except IntegrityError:  # another request was faster
        raise _taken(str(sku.code)) from None


def _taken(code: str) -> StockRefused:
    return StockRefused("code_taken", f"Another SKU has the code {code}.")
