"""A phone for each test, and goods to look at."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from tests.livesale.api import Api
from tests.livesale.catalogue.drawn import picture
from tests.livesale.faces.shopper import Shopper, open_shopper
from tests.phones import open_browser

OpenPhone = Callable[..., Awaitable[Shopper]]


@pytest.fixture
async def open_phone(api: Api) -> AsyncIterator[OpenPhone]:
    """Opens tabs, each a phone of its own."""
    async with open_browser() as browser:

        async def start(width: int = 390, script: str = "", **options: Any) -> Shopper:
            size: Any = {"width": width, "height": 844}
            context = await browser.new_context(viewport=size, **{"locale": "en-GB"} | options)
            if script:
                await context.add_init_script(script)
            return await open_shopper(context, api)

        yield start


@pytest.fixture
async def shopper(open_phone: OpenPhone) -> Shopper:
    return await open_phone()


async def make_product(api: Api, title: str = "Oolong") -> dict[str, Any]:
    """A product on sale, with a picture and two SKUs: `product_id`, `skus`."""
    by = api.boss
    shown = await api.ask(
        "POST", "/v1/admin/pictures", raw=picture(size=(300, 300)), by=by, Content_Type="image/png"
    )
    body = {
        "title": title,
        "description": "# Where\n\nfrom **Chaozhou**",
        "pictures": [{"picture_id": shown.body["picture_id"]}],
        "list_price_fen": 9_900,
        "list_price_base": "price in our store",
        "attributes": [{"name": "From", "value": "Chaozhou"}],
    }
    product = await api.post("/v1/admin/products", body, by=by)
    assert product.status == 201, product.body
    product_id = product.body["product"]["product_id"]
    skus = []
    for size in ("100 g", "250 g"):
        sku = await api.post(
            "/v1/admin/skus",
            {
                "title": f"{title} {size}",
                "price_fen": 1_990,
                "product_id": product_id,
                "attributes": [{"name": "Size", "value": size}],
            },
            by=by,
        )
        skus.append(str(sku.body["sku_id"]))
    on_sale = await api.post(f"/v1/admin/products/{product_id}", {"status": "on_sale"}, by=by)
    assert on_sale.status == 200, on_sale.body
    return {"product_id": product_id, "skus": skus}
