"""Products, created and changed by operators."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field, structs
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.action_log.record import note_change
from livesale.catalogue.attributes import Attributes, check_attributes
from livesale.catalogue.pictures.store import find_pictures
from livesale.catalogue.products import prices, store
from livesale.catalogue.products.categories import check_category
from livesale.catalogue.products.markdown import Markdown, check_markdown
from livesale.catalogue.products.search import ProductSearch
from livesale.catalogue.products.shown import ask
from livesale.catalogue.products.store import DRAFT, ON_SALE, PictureRef, Product
from livesale.catalogue.skus import service as skus
from livesale.catalogue.skus.service import Code, NewSku, PriceFen, Title, sku_of
from livesale.catalogue.skus.store import Sku, skus_of
from livesale.database.engine import now_ms
from livesale.database.session import session
from livesale.once.creations import Once, claim
from livesale.resources import Deployment
from livesale.validation.refusals import InvalidField, SalesFault, StockRefused, Unknown
from livesale.validation.texts import PROSE_PATTERN, whole
from stock.ids import new_id

MAX_PICTURES = 20
URL_PATTERN = r"^https://[!-~]{1,490}$"
PICTURE_ID_PATTERN = r"^[0-9a-f]{32}$"


class NewPicture(Struct, frozen=True, forbid_unknown_fields=True):
    """A picture that was uploaded, or an https address: one of the two."""

    picture_id: Annotated[str, whole(PICTURE_ID_PATTERN)] | None = None
    url: Annotated[str, whole(URL_PATTERN)] | None = None


NewPictures = Annotated[list[NewPicture], Meta(max_length=MAX_PICTURES)]
Status = Literal["draft", "on_sale", "archived"]
Base = Annotated[
    str,
    whole(
        rf"^({PROSE_PATTERN[1:-1]})?$",
        max_length=200,
        description="where the list price comes from, if it was not asked in the last 7 days: "
        "buyers see it",
        examples=["Price at the maker's shop on 2026-11-01"],
    ),
]


class NewProduct(Struct, frozen=True, forbid_unknown_fields=True):
    """`skus` are made with it: all, or nothing."""

    title: Title
    code: Code | None = None
    description: Markdown = ""
    attributes: Attributes = field(default_factory=list)
    pictures: NewPictures = field(default_factory=list)
    category: Annotated[str, Meta(max_length=154)] = ""
    status: Literal["draft", "on_sale"] = "draft"
    list_price_fen: PriceFen | None = None
    list_price_base: Base = ""
    skus: Annotated[list[NewSku], Meta(max_length=50)] = field(default_factory=list)


class ProductEdit(Struct, frozen=True, forbid_unknown_fields=True):
    """What is missing stays as it is. With `version`, only if it is still that one."""

    version: Annotated[int, Meta(ge=1, le=2**31 - 1)] | UnsetType = UNSET
    title: Title | UnsetType = UNSET
    code: Code | UnsetType | None = UNSET
    description: Markdown | UnsetType = UNSET
    attributes: Attributes | UnsetType = UNSET
    pictures: NewPictures | UnsetType = UNSET
    category: Annotated[str, Meta(max_length=154)] | UnsetType = UNSET
    status: Status | UnsetType = UNSET
    list_price_fen: PriceFen | UnsetType | None = UNSET
    list_price_base: Base | UnsetType = UNSET


class ProductRefused(SalesFault):
    """Codes: product_changed, product_incomplete, not_a_draft, list_price_unasked."""


class ProductWithSkus(Struct, frozen=True):
    """`list_price_holds`: buyers see the list price, because it was asked, or has a base."""

    product: Product
    skus: list[Sku]
    list_price_holds: bool


class Products:
    """All raise StoreUnavailable."""

    def __init__(self, deployment: Deployment, search: ProductSearch) -> None:
        self._sql = deployment.sql
        self._search = search

    async def create(self, new: NewProduct, once: Once | None = None) -> ProductWithSkus:
        """Raises InvalidField, StockRefused (code_taken) or ProductRefused; Made, KeyConflict."""
        for at, one in enumerate(new.skus):
            if one.product_id is not None:
                raise InvalidField(f"skus[{at}].product_id", "It is of the product that is made.")
        product = product_of(new)
        made = [sku_of(one, product.product_id) for one in new.skus]
        async with session(self._sql, write=True) as connection:
            await claim(connection, once, product.product_id)
            await add(connection, product, made)
            note_change(None, product)
        return ProductWithSkus(product, made, product.list_price_fen is not None)

    async def find(self, product_id: str) -> ProductWithSkus:
        """Raises Unknown("unknown_product")."""
        async with session(self._sql) as connection:
            product = await store.find_product(connection, product_id)
            if product is None:
                raise Unknown("unknown_product")
            holds = await list_price_holds(connection, product)
            return ProductWithSkus(product, await skus_of(connection, [product_id]), holds)

    async def edit(self, product_id: str, changes: ProductEdit) -> ProductWithSkus:
        """Raises Unknown, InvalidField, StockRefused (code_taken) or ProductRefused."""
        given = {
            name: value
            for name, value in structs.asdict(changes).items()
            if value is not UNSET and name != "version"
        }
        if "pictures" in given:
            given["pictures"] = _refs(given["pictures"])
        async with session(self._sql, write=True) as connection:
            before = await store.lock_product(connection, product_id)
            if before is None:
                raise Unknown("unknown_product")
            if changes.version is not UNSET and changes.version != before.version:
                detail = f"The product has version {before.version}."
                raise ProductRefused("product_changed", detail)
            product = structs.replace(
                before, **given, version=before.version + 1, updated_ms=now_ms()
            )
            found = await skus_of(connection, [product_id])
            await _check(connection, product, found, before=before)
            await _write(connection, product, is_new=False)
            note_change(before, product)
            await ask(connection, product, found, before.status)
            holds = await list_price_holds(connection, product)
        return ProductWithSkus(product, found, holds)

    async def remove(self, product_id: str) -> None:
        """Delete a draft; its SKUs stay, without a product. Raises Unknown or ProductRefused."""
        async with session(self._sql, write=True) as connection:
            product = await store.lock_product(connection, product_id)
            if product is None:
                raise Unknown("unknown_product")
            if product.status != DRAFT:
                raise ProductRefused("not_a_draft", f"The product is {product.status}.")
            if await skus_of(connection, [product_id], 1):
                raise ProductRefused("not_a_draft", "The product has SKUs: archive it.")
            await store.remove_product(connection, product_id)
            note_change(product, None)

    async def page(
        self,
        *,
        words: str = "",
        after: str = "",
        limit: int = 50,
        status: str = "",
        category: str = "",
        code: str = "",
    ) -> tuple[list[Product], str | None]:
        """The best for the words, or without words the newest, first; and the next `after`."""
        if words.strip() and not code:
            ids, cursor = await self._search.find(
                words, after=after, limit=limit, category=category, status=status
            )
            async with session(self._sql) as connection:
                found = {one.product_id: one for one in await store.find_products(connection, ids)}
            return [found[name] for name in ids if name in found], cursor
        async with session(self._sql) as connection:
            page = await store.list_products(
                connection,
                before=after,
                limit=limit,
                status=status,
                category=category,
                code=code,
            )
        return page, page[-1].product_id if len(page) == limit else None


def product_of(new: NewProduct) -> Product:
    """Raises InvalidField."""
    at_ms = now_ms()
    return Product(
        product_id=new_id(),
        code=new.code,
        title=new.title,
        description=new.description,
        attributes=new.attributes,
        pictures=_refs(new.pictures),
        category=new.category,
        status=new.status,
        list_price_fen=new.list_price_fen,
        list_price_base=new.list_price_base,
        version=1,
        created_ms=at_ms,
        updated_ms=at_ms,
    )


async def add(connection: AsyncConnection, product: Product, made: list[Sku]) -> None:
    """Add a product with its SKUs. Raises InvalidField, StockRefused or ProductRefused."""
    await _check(connection, product, made)
    await _write(connection, product, is_new=True)
    for sku in made:
        await skus.add(connection, sku)
    await ask(connection, product, made, DRAFT)


async def list_price_holds(connection: AsyncConnection, product: Product) -> bool:
    """Whether buyers see the list price: it was asked in the last seven days, or has a base."""
    if product.list_price_fen is None:
        return False
    return bool(product.list_price_base) or await prices.was_asked(
        connection, product.product_id, product.list_price_fen, now_ms()
    )


async def _check(
    connection: AsyncConnection,
    product: Product,
    found: list[Sku],
    *,
    before: Product | None = None,
) -> None:
    """All that a product must be. Raises InvalidField or ProductRefused."""
    check_markdown("description", product.description)
    check_attributes(product.attributes)
    await check_category(connection, product.category)
    ids = [one.picture_id for one in product.pictures if one.picture_id]
    known = await find_pictures(connection, ids)
    for picture_id in ids:
        if picture_id not in known:
            raise InvalidField("pictures", f"There is no picture {picture_id}.")
    if product.status == ON_SALE and not found:
        raise ProductRefused("product_incomplete", "Add a SKU before it goes on sale.")
    price_fen = product.list_price_fen
    if price_fen is None:
        if product.list_price_base:
            raise InvalidField("list_price_base", "There is no list price.")
        return
    is_new = before is None or (price_fen, product.list_price_base) != (
        before.list_price_fen,
        before.list_price_base,
    )
    goes_on_sale = product.status == ON_SALE and (before is None or before.status != ON_SALE)
    if (is_new or goes_on_sale) and not await list_price_holds(connection, product):
        raise ProductRefused(
            "list_price_unasked",
            f"No SKU or drop of the product was sold at {price_fen} fen in the last "
            f"{prices.DAYS} days.",
            field="list_price_fen",
        )


async def _write(connection: AsyncConnection, product: Product, *, is_new: bool) -> None:
    if product.code is not None:
        other = await store.find_by_code(connection, product.code)
        if other is not None and other.product_id != product.product_id:
            raise _taken(product.code)
    try:
        await (store.add_product if is_new else store.change_product)(connection, product)
    except IntegrityError:  # another request was faster
        raise _taken(str(product.code)) from None


def _taken(code: str) -> StockRefused:
    return StockRefused("code_taken", f"Another product has the code {code}.")


def _refs(pictures: list[NewPicture]) -> list[PictureRef]:
    """Raises InvalidField unless each is one of the two."""
    for at, one in enumerate(pictures):
        if (one.picture_id is None) == (one.url is None):
            raise InvalidField(f"pictures[{at}]", "Give picture_id or url.")
    return [PictureRef(one.picture_id, one.url) for one in pictures]
