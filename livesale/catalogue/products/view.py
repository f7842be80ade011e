"""What buyers see of products. Each process reads a product at most once a second."""

from collections.abc import Sequence

from msgspec import Struct

from livesale.catalogue.attributes import Attribute
from livesale.catalogue.pictures.service import Pictures
from livesale.catalogue.pictures.store import PictureFile
from livesale.catalogue.products import store
from livesale.catalogue.products.markdown import render_markdown
from livesale.catalogue.products.search import ProductSearch
from livesale.catalogue.products.service import list_price_holds
from livesale.catalogue.products.store import ON_SALE, Product
from livesale.catalogue.skus.store import skus_of
from livesale.catalogue.store import drops_of_skus
from livesale.catalogue.view import CatalogueView, ShownDrop
from livesale.database.errors import StoreUnavailable
from livesale.database.session import session
from livesale.resources import Deployment
from livesale.tasks.ttl_cache import TtlCache
from livesale.validation.refusals import Unknown

FRESH_S = 1.0
MAX_DROPS = 50


class ShownPicture(Struct, frozen=True):
    """A picture: in its sizes (thumb, medium, large) if it was uploaded here, else only `url`."""

    url: str
    sizes: dict[str, PictureFile] | None


class ShownSku(Struct, frozen=True):
    sku_id: str
    title: str
    price_fen: int
    attributes: list[Attribute]


class ShownProduct(Struct, frozen=True):
    """A product in a list. `price_fen` is that of its cheapest SKU. `list_price_fen` is null
    unless it was asked in the last seven days or has a base, which stands beside it."""

    product_id: str
    title: str
    category: str
    picture: ShownPicture | None
    price_fen: int
    list_price_fen: int | None
    list_price_base: str


class ProductPage(Struct, frozen=True):
    """Send `next` as `after` to get the next page; null at the end."""

    products: list[ShownProduct]
    next: str | None


class WholeProduct(Struct, frozen=True):
    """A product with all that belongs to it. `description_html` is safe to show as it is."""

    product_id: str
    title: str
    description: str
    description_html: str
    attributes: list[Attribute]
    pictures: list[ShownPicture]
    category: str
    price_fen: int
    list_price_fen: int | None
    list_price_base: str
    skus: list[ShownSku]


class ProductWithDrops(Struct, frozen=True):
    """`drops`: those of its SKUs that are not closed."""

    product: WholeProduct
    drops: list[ShownDrop]


class ProductsView:
    """One per process. All raise StoreUnavailable, unless they know an older answer."""

    def __init__(
        self,
        deployment: Deployment,
        pictures: Pictures,
        search: ProductSearch,
        catalogue: CatalogueView,
    ) -> None:
        self._sql = deployment.sql
        self._pictures = pictures
        self._search = search
        self._catalogue = catalogue
        away = (StoreUnavailable,)
        self._whole = TtlCache(self._load, ttl_s=FRESH_S, stale_on=away)
        self._drops = TtlCache(self._load_drops, ttl_s=FRESH_S, stale_on=away)
        self._pages = TtlCache(self._load_page, ttl_s=FRESH_S, max_found=200, stale_on=away)

    async def product(self, product_id: str) -> ProductWithDrops:
        """Raises Unknown("unknown_product"), also for one that is not on sale."""
        whole = await self._whole.get(product_id)
        if whole is None:
            raise Unknown("unknown_product")
        drop_ids = await self._drops.get(product_id) or []
        return ProductWithDrops(whole, [await self._catalogue.drop(name) for name in drop_ids])

    async def known(self, product_id: str) -> None:
        """Raises Unknown("unknown_product"), also for one that is not on sale."""
        if await self._whole.get(product_id) is None:
            raise Unknown("unknown_product")

    async def page(self, words: str, category: str, after: str, limit: int) -> ProductPage:
        """Products on sale: the best for the words, or without words the newest, first."""
        if not words.strip():
            return await self._pages.get(f"{limit}\n{after}\n{category}") or ProductPage([], None)
        ids, cursor = await self._search.find(
            words, after=after, limit=limit, category=category, status=ON_SALE
        )
        found = [await self._whole.get(product_id) for product_id in ids]
        return ProductPage([_short(one) for one in found if one is not None], cursor)

    async def _load_page(self, key: str) -> ProductPage:
        limit, after, category = key.split("\n")
        async with session(self._sql) as connection:
            found = await store.list_products(
                connection, before=after, limit=int(limit), status=ON_SALE, category=category
            )
        shown = await self._show(found)
        cursor = found[-1].product_id if len(found) == int(limit) else None
        return ProductPage([_short(one) for one in shown], cursor)

    async def _load(self, product_id: str) -> WholeProduct | None:
        async with session(self._sql) as connection:
            product = await store.find_product(connection, product_id)
        if product is None or product.status != ON_SALE:
            return None
        return (await self._show([product]))[0]

    async def _load_drops(self, product_id: str) -> list[str]:
        async with session(self._sql) as connection:
            found = await skus_of(connection, [product_id])
            return await drops_of_skus(connection, [sku.sku_id for sku in found], MAX_DROPS)

    async def _show(self, found: Sequence[Product]) -> list[WholeProduct]:
        """These products, with three queries for all of them."""
        if not found:
            return []
        async with session(self._sql) as connection:
            skus = await skus_of(connection, [product.product_id for product in found])
            holding = {
                product.product_id
                for product in found
                if await list_price_holds(connection, product)
            }
        known = await self._pictures.find(
            {ref.picture_id for product in found for ref in product.pictures if ref.picture_id}
        )
        shown = []
        for product in found:
            pictures = []
            for ref in product.pictures:
                if ref.url is not None:
                    pictures.append(ShownPicture(ref.url, None))
                elif ref.picture_id in known:
                    sizes = known[ref.picture_id].sizes
                    pictures.append(ShownPicture(sizes["large"].jpeg, sizes))
            own = [sku for sku in skus if sku.product_id == product.product_id]
            holds = product.product_id in holding
            shown.append(
                WholeProduct(
                    product_id=product.product_id,
                    title=product.title,
                    description=product.description,
                    description_html=render_markdown(product.description),
                    attributes=product.attributes,
                    pictures=pictures,
                    category=product.category,
                    price_fen=min((sku.price_fen for sku in own), default=0),
                    list_price_fen=product.list_price_fen if holds else None,
                    list_price_base=product.list_price_base if holds else "",
                    skus=[
                        ShownSku(sku.sku_id, sku.title, sku.price_fen, sku.attributes)
                        for sku in own
                    ],
                )
            )
        return shown


def _short(whole: WholeProduct) -> ShownProduct:
    return ShownProduct(
        whole.product_id,
        whole.title,
        whole.category,
        whole.pictures[0] if whole.pictures else None,
        whole.price_fen,
        whole.list_price_fen,
        whole.list_price_base,
    )
