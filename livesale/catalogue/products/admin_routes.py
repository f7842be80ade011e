"""/v1/admin/products, /v1/admin/categories"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from livesale.access.actions import Action
from livesale.catalogue.products.categories import Categories, Category, CategoryEdit, NewCategory
from livesale.catalogue.products.routes import CURSOR, OPTIONAL_PATH
from livesale.catalogue.products.service import (
    NewProduct,
    ProductEdit,
    Products,
    ProductWithSkus,
)
from livesale.catalogue.products.store import Product
from livesale.parts import Parts
from livesale.validation.texts import whole
from livesale.web.making import make
from livesale.web.routes import Answer, Call, Nothing, Route

MAX_BYTES = 64 * 1024  # of a product: 10,000 characters of Chinese are 30,000 bytes
_REFUSALS = ("code_taken", "list_price_unasked", "product_incomplete", "store_unavailable")


class AdminProductsQuery(Struct, frozen=True):
    after: Annotated[str, whole(CURSOR, description="`next` of a page")] = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    status: Literal["draft", "on_sale", "archived", ""] = ""
    category: Annotated[
        str, whole(OPTIONAL_PATH, description="only those of this category, or one in it")
    ] = ""
    code: Annotated[str, whole(r"^([A-Za-z0-9][A-Za-z0-9._/-]{0,63})?$")] = ""
    q: Annotated[str, Meta(max_length=100, description="words of the title")] = ""


class AdminProductPage(Struct, frozen=True):
    """Send `next` as `after` to get the next page; null at the end."""

    products: list[Product]
    next: str | None


async def create_product(parts: Parts, call: Call) -> Answer:
    products = parts[Products]
    return await make(call, "product", lambda once: products.create(call.body, once), products.find)


async def list_all_products(parts: Parts, call: Call) -> Answer:
    query = call.query
    found, cursor = await parts[Products].page(
        words=query.q,
        after=query.after,
        limit=query.limit,
        status=query.status,
        category=query.category,
        code=query.code,
    )
    return Answer(200, AdminProductPage(found, cursor))


async def show_whole_product(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[Products].find(call.path["product_id"]))


async def edit_product(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[Products].edit(call.path["product_id"], call.body))


async def remove_product(parts: Parts, call: Call) -> Answer:
    await parts[Products].remove(call.path["product_id"])
    return Answer(200, Nothing())


async def create_category(parts: Parts, call: Call) -> Answer:
    return Answer(201, await parts[Categories].create(call.body))


async def edit_category(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[Categories].edit(call.path["category_id"], call.body))


async def remove_category(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[Categories].remove(call.path["category_id"]))


ROUTES = [
    Route(
        "POST",
        "/v1/admin/products",
        create_product,
        "Create a product, with SKUs if you like",
        "admin",
        {201: ProductWithSkus, 200: ProductWithSkus},
        ("unknown_product", "idempotency_conflict", *_REFUSALS),
        auth="operator",
        action=Action.GOODS_CHANGE,
        body=NewProduct,
        keyed=True,
        changes=True,
        description="With an `Idempotency-Key`, a retry makes nothing twice, and gets 200.",
        max_bytes=lambda _: MAX_BYTES,
    ),
    Route(
        "GET",
        "/v1/admin/products",
        list_all_products,
        "Products, the newest first",
        "admin",
        {200: AdminProductPage},
        ("store_unavailable",),
        auth="operator",
        action=Action.GOODS_READ,
        query=AdminProductsQuery,
        description="With `q` the best first. `code` and `q` together find by `code`.",
    ),
    Route(
        "GET",
        "/v1/admin/products/{product_id}",
        show_whole_product,
        "A product with its SKUs",
        "admin",
        {200: ProductWithSkus},
        ("unknown_product", "store_unavailable"),
        auth="operator",
        action=Action.GOODS_READ,
    ),
    Route(
        "PATCH",
        "/v1/admin/products/{product_id}",
        edit_product,
        "Change a product, or put it on sale",
        "admin",
        {200: ProductWithSkus},
        ("unknown_product", "product_changed", *_REFUSALS),
        auth="operator",
        action=Action.GOODS_CHANGE,
        body=ProductEdit,
        changes=True,
        max_bytes=lambda _: MAX_BYTES,
        description="With `version`, an edit that overlooks another one is refused.",
    ),
    Route(
        "DELETE",
        "/v1/admin/products/{product_id}",
        remove_product,
        "Delete a draft without SKUs",
        "admin",
        {200: Nothing},
        ("unknown_product", "not_a_draft", "store_unavailable"),
        auth="operator",
        action=Action.GOODS_CHANGE,
        changes=True,
    ),
    Route(
        "POST",
        "/v1/admin/categories",
        create_category,
        "Create a category",
        "admin",
        {201: Category},
        ("category_taken", "too_many_categories", "store_unavailable"),
        auth="operator",
        action=Action.GOODS_CHANGE,
        body=NewCategory,
        changes=True,
    ),
    Route(
        "PATCH",
        "/v1/admin/categories/{category_id}",
        edit_category,
        "Change a category, or move it with all in it",
        "admin",
        {200: Category},
        ("unknown_category", "category_taken", "store_unavailable"),
        auth="operator",
        action=Action.GOODS_CHANGE,
        body=CategoryEdit,
        changes=True,
    ),
    Route(
        "DELETE",
        "/v1/admin/categories/{category_id}",
        remove_category,
        "Delete an empty category",
        "admin",
        {200: Category},
        ("unknown_category", "category_used", "store_unavailable"),
        auth="operator",
        action=Action.GOODS_CHANGE,
        changes=True,
    ),
]
