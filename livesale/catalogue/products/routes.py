"""/v1/products, /v1/categories: what everybody sees."""

from typing import Annotated

from msgspec import Meta, Struct

from livesale.catalogue.products.categories import PATH_PATTERN, Categories, Category
from livesale.catalogue.products.view import ProductPage, ProductsView, ProductWithDrops
from livesale.parts import Parts
from livesale.validation.texts import whole
from livesale.web.routes import Answer, Call, PathParameter, Route, declare_path_parameters
from stock.ids import DROP_ID_PATTERN

CURSOR = r"^([0-9]{1,6}\.)?[0-9a-z]{0,15}$"  # with a rank if words were asked for
OPTIONAL_PATH = rf"^({PATH_PATTERN.strip('^$')})?$"


class ProductsQuery(Struct, frozen=True):
    q: Annotated[
        str, Meta(max_length=100, description="words of the title", examples=["龙井", "tea"])
    ] = ""
    category: Annotated[
        str, whole(OPTIONAL_PATH, description="only those of this category, or one in it")
    ] = ""
    after: Annotated[str, whole(CURSOR, description="`next` of a page")] = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


class CategoryList(Struct, frozen=True):
    """Each after its parent."""

    categories: list[Category]


async def list_products(parts: Parts, call: Call) -> Answer:
    query = call.query
    page = await parts[ProductsView].page(query.q, query.category, query.after, query.limit)
    return Answer(200, page)


async def show_product(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[ProductsView].product(call.path["product_id"]))


async def list_categories(parts: Parts, _call: Call) -> Answer:
    return Answer(200, CategoryList(await parts[Categories].all()))


declare_path_parameters(
    product_id=PathParameter(DROP_ID_PATTERN, "unknown_product", "A product's id"),
    category_id=PathParameter(DROP_ID_PATTERN, "unknown_category", "A category's id"),
)

ROUTES = [
    Route(
        "GET",
        "/v1/products",
        list_products,
        "Products on sale",
        "goods",
        {200: ProductPage},
        ("store_unavailable",),
        query=ProductsQuery,
        description=(
            "With `q` those whose titles have all its words, the best first: Chinese anywhere in "
            "the title, Latin words by their beginnings. Without it the newest first. A second old "
            "at most."
        ),
    ),
    Route(
        "GET",
        "/v1/products/{product_id}",
        show_product,
        "A product, with its SKUs and drops",
        "goods",
        {200: ProductWithDrops},
        (
            *("unknown_product", "unknown_drop", "store_unavailable"),
            *("overloaded", "books_broken", "engine_refused"),
        ),
    ),
    Route(
        "GET",
        "/v1/categories",
        list_categories,
        "All categories",
        "goods",
        {200: CategoryList},
        ("store_unavailable",),
    ),
]
