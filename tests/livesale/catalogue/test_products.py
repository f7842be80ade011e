"""Products: written by operators, seen and found by everybody."""

import time
from typing import Any

import pytest
from sqlalchemy import update

from livesale.app import PARTS
from livesale.catalogue.products import prices
from livesale.catalogue.products.search import ProductSearch
from livesale.catalogue.products.tables import asked_prices
from livesale.catalogue.products.view import ProductsView
from livesale.database.session import session
from livesale.ledger.writer import Writer
from tests.livesale.api import Api, Reply, outdate
from tests.livesale.catalogue.drawn import picture
from tests.livesale.catalogue.test_pictures import upload
from tests.livesale.stage import running, until_written

PATH = "/v1/admin/products"
SKU = {"title": "Tin, 100 g", "price_fen": 4_900}


async def create(api: Api, title: str = "明前龙井 Tea", **fields: Any) -> dict[str, Any]:
    body = {"title": title, "skus": [SKU], "status": "on_sale", **fields}
    made = await api.post(PATH, body, by=api.boss)
    assert made.status == 201, made.body
    return dict(made.body)


async def edit(api: Api, product_id: str, **fields: Any) -> Reply:
    return await api.ask("PATCH", f"{PATH}/{product_id}", fields, by=api.boss)


async def see(api: Api, path: str) -> Reply:
    """Past the memories of the process."""
    parts = api.app[PARTS]
    view = parts[ProductsView]
    for memory in (view._whole, view._drops, view._pages, parts[ProductSearch]._fresh):
        outdate(memory)
    return await api.get(path)


async def found(api: Api, query: str) -> list[str]:
    reply = await see(api, f"/v1/products?{query}")
    assert reply.status == 200, reply.body
    return [one["title"] for one in reply.body["products"]]


async def test_a_product_is_shown_with_all_that_belongs_to_it(api: Api) -> None:
    # given a picture, a category, and a product with both
    picture_id = (await upload(api, picture())).body["picture_id"]
    for path in ("food", "food/茶叶"):
        made = await api.post("/v1/admin/categories", {"path": path, "title": path}, by=api.boss)
        assert made.status == 201, made.body
    made = await create(
        api,
        description="# Tea\n\n**Fresh** & good, see [us](https://shop.example)",
        attributes=[{"name": "产地", "value": "杭州"}],
        pictures=[{"picture_id": picture_id}, {"url": "https://cdn.example/a.jpg"}],
        category="food/茶叶",
    )
    product_id = made["product"]["product_id"]
    # and a drop of its SKU
    drop_id = await api.open_drop(sku_id=made["skus"][0]["sku_id"])
    # when somebody looks
    whole = (await see(api, f"/v1/products/{product_id}")).body
    # then
    shown = whole["product"]
    assert shown["description_html"] == (
        "<h1>Tea</h1>\n<p><strong>Fresh</strong> &amp; good, see "
        '<a href="https://shop.example" rel="nofollow noopener noreferrer">us</a></p>\n'
    )
    assert shown["attributes"] == [{"name": "产地", "value": "杭州"}]
    assert [one["sizes"] is None for one in shown["pictures"]] == [False, True]
    assert (await api.get(shown["pictures"][0]["url"], If_None_Match="x")).status == 200
    assert shown["skus"][0]["price_fen"] == shown["price_fen"] == 4_900
    assert [drop["drop_id"] for drop in whole["drops"]] == [drop_id]
    assert await found(api, "category=food") == ["明前龙井 Tea"]
    assert await found(api, "category=foo") == []
    # and a draft is seen by operators only
    assert (await edit(api, product_id, status="draft")).status == 200
    assert (await see(api, f"/v1/products/{product_id}")).code == "unknown_product"
    assert await found(api, "") == [] == await found(api, "q=tea")
    listed = (await api.get(f"{PATH}?status=draft&q=龙井", by=api.viewer)).body["products"]
    assert [one["product_id"] for one in listed] == [product_id]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Hi <b>x</b>", "Line 1: HTML"),
        ("a\n\n<script>alert(1)</script>", "Line 3: HTML"),
        ("![x](https://a.example/b.png)", "pictures"),
        ("[x](http://a.example)", "https://"),
        ("[x](/admin)", "https://"),
        ("<mailto:a@b.example>", "https://"),
        ("[" * 401, "too many ["),
    ],
)
async def test_descriptions_are_a_safe_subset(api: Api, text: str, said: str) -> None:
    body = {"title": "x", "description": text}
    refused = await api.post(PATH, body, by=api.boss)
    assert (refused.code, refused.body["field"]) == ("invalid_field", "description")
    assert said in refused.body["detail"]


async def test_what_looks_dangerous_in_a_description_is_text(api: Api) -> None:
    text = "1 < 2 & [x](javascript:alert(1)) `<b>`"
    made = await create(api, description=text)
    shown = (await see(api, f"/v1/products/{made['product']['product_id']}")).body["product"]
    assert "<a" not in shown["description_html"] and "<b>" not in shown["description_html"]
    assert "1 &lt; 2 &amp;" in shown["description_html"]


async def test_words_find_products_the_best_first(api: Api) -> None:
    for title in ("红茶礼盒", "龙井绿茶 2026 Green TEA", "Teapot 茶壶", "Café set", "男士 T恤"):
        await create(api, title)
    assert await found(api, "q=茶") == ["红茶礼盒", "龙井绿茶 2026 Green TEA", "Teapot 茶壶"]
    assert await found(api, "q=绿茶") == ["龙井绿茶 2026 Green TEA"]
    assert await found(api, "q=茶绿") == []
    assert await found(api, "q=tea") == ["Teapot 茶壶", "龙井绿茶 2026 Green TEA"]
    assert await found(api, "q=ＧＲＥＥＮ 茶") == ["龙井绿茶 2026 Green TEA"]
    assert await found(api, "q=cafe") == ["Café set"]
    assert await found(api, "q=T恤") == ["男士 T恤"]
    assert await found(api, "q=ea") == []
    assert await found(api, "q=%E2%98%83") == []
    # in pages, and a title that changes is found by its new words
    first = (await see(api, "/v1/products?q=茶&limit=2")).body
    rest = (await see(api, f"/v1/products?q=茶&limit=2&after={first['next']}")).body
    titles = [one["title"] for one in first["products"] + rest["products"]]
    assert titles == ["红茶礼盒", "龙井绿茶 2026 Green TEA", "Teapot 茶壶"]
    assert rest["next"] is None
    page = (await api.get(f"{PATH}?q=茶&limit=2&after={first['next']}", by=api.viewer)).body
    assert [one["title"] for one in page["products"]] == ["Teapot 茶壶"]
    other = await see(api, f"/v1/products?q=茶&after={rest['products'][0]['product_id']}")
    assert (other.status, other.body["products"]) == (200, [])
    product_id = rest["products"][0]["product_id"]
    await edit(api, product_id, title="Samovar")
    assert await found(api, "q=samo") == ["Samovar"]
    assert await found(api, "q=teapot") == []


async def test_lists_come_in_pages_the_newest_first(api: Api) -> None:
    made = [await create(api, f"x {n}") for n in range(3)]
    first = (await see(api, "/v1/products?limit=2")).body
    rest = (await see(api, f"/v1/products?limit=2&after={first['next']}")).body
    listed = [one["product_id"] for one in first["products"] + rest["products"]]
    assert listed == [one["product"]["product_id"] for one in reversed(made)]
    assert rest["next"] is None


async def test_a_list_price_was_asked_in_the_last_seven_days_or_has_a_base(api: Api) -> None:
    # given a product on sale at 49 yuan, and no other price before
    made = await create(api)
    product_id, sku_id = made["product"]["product_id"], made["skus"][0]["sku_id"]
    # then another list price is an invention
    refused = await edit(api, product_id, list_price_fen=9_900)
    assert (refused.status, refused.code) == (409, "list_price_unasked")
    assert refused.body["field"] == "list_price_fen"
    # when the price falls, the former one was asked a moment ago
    path = f"/v1/admin/skus/{sku_id}"
    lower = await api.ask("PATCH", path, {"price_fen": 3_900}, by=api.boss)
    assert lower.status == 200
    assert (await edit(api, product_id, list_price_fen=4_900)).status == 200
    shown = (await see(api, f"/v1/products/{product_id}")).body["product"]
    assert (shown["price_fen"], shown["list_price_fen"]) == (3_900, 4_900)
    # when that is eight days ago
    past_ms = time.time_ns() // 1_000_000 - prices.RECENT_MS - 24 * 3_600_000
    async with session(api.deployment.sql, write=True) as connection:
        await connection.execute(
            update(asked_prices)
            .where(asked_prices.c.price_fen == 4_900)
            .values(since_ms=past_ms - 1, until_ms=past_ms)
        )
    # then buyers do not see it, operators are told, and it cannot be set again
    shown = (await see(api, f"/v1/products/{product_id}")).body["product"]
    assert shown["list_price_fen"] is None
    whole = (await api.get(f"{PATH}/{product_id}", by=api.viewer)).body
    assert (whole["product"]["list_price_fen"], whole["list_price_holds"]) == (4_900, False)
    assert (await edit(api, product_id, status="archived")).status == 200
    assert (await edit(api, product_id, status="on_sale")).code == "list_price_unasked"
    # when an operator states its base, buyers see both
    base = "Maker's price of 2026-11-01"
    stated = await edit(api, product_id, status="on_sale", list_price_base=base)
    assert stated.body["list_price_holds"] is True
    shown = (await see(api, f"/v1/products/{product_id}")).body["product"]
    assert (shown["list_price_fen"], shown["list_price_base"]) == (4_900, base)


async def test_the_price_of_a_drop_that_sold_was_asked(api: Api) -> None:
    made = await create(api, status="draft")
    sku_id = made["skus"][0]["sku_id"]
    assert (await edit(api, made["product"]["product_id"], list_price_fen=1_990)).status == 409
    await api.open_drop(sku_id=sku_id, price_fen=1_990)
    async with running(Writer(api.deployment)):
        await until_written(api.deployment)
    assert (await edit(api, made["product"]["product_id"], list_price_fen=1_990)).status == 200


async def test_an_edit_that_overlooks_another_is_refused(api: Api) -> None:
    product_id = (await create(api))["product"]["product_id"]
    assert (await edit(api, product_id, version=1, title="a")).body["product"]["version"] == 2
    late = await edit(api, product_id, version=1, title="b")
    assert (late.status, late.code) == (409, "product_changed")
    sku = {**SKU, "product_id": product_id, "code": "T-2"}
    assert (await api.post("/v1/admin/skus", sku, by=api.boss)).status == 201
    whole = (await api.get(f"{PATH}/{product_id}", by=api.viewer)).body
    assert (whole["product"]["version"], len(whole["skus"])) == (3, 2)


async def test_a_product_is_made_whole_or_not_at_all(api: Api) -> None:
    good = {"title": "x", "code": "P-1", "skus": [{**SKU, "code": "S-1"}]}
    assert (await api.post(PATH, good, by=api.boss)).status == 201
    cases: list[tuple[dict[str, Any], str]] = [
        ({**good, "code": "P-2"}, "code_taken"),
        ({**good, "skus": []}, "code_taken"),
        ({"title": "x", "status": "on_sale"}, "product_incomplete"),
        ({"title": "x", "category": "none"}, "invalid_field"),
        ({"title": "x", "pictures": [{"picture_id": "0" * 32}]}, "invalid_field"),
        ({"title": "x", "pictures": [{}]}, "invalid_field"),
        ({"title": "x", "pictures": [{"url": "http://a.example"}]}, "invalid_field"),
        ({"title": "x", "list_price_base": "x"}, "invalid_field"),
        ({"title": "x", "skus": [{**SKU, "product_id": "x"}]}, "invalid_field"),
    ]
    for body, code in cases:
        assert (await api.post(PATH, body, by=api.boss)).code == code, body
    assert len((await api.get(PATH, by=api.viewer)).body["products"]) == 1
    assert len((await api.get("/v1/admin/skus", by=api.viewer)).body["skus"]) == 1


async def test_a_draft_without_skus_can_be_deleted(api: Api) -> None:
    draft = await create(api, status="draft", skus=[])
    path = f"{PATH}/{draft['product']['product_id']}"
    assert (await api.delete(path, by=api.boss)).status == 200
    assert (await api.delete(path, by=api.boss)).code == "unknown_product"
    other = (await create(api))["product"]["product_id"]
    assert (await api.delete(f"{PATH}/{other}", by=api.boss)).code == "not_a_draft"


async def test_a_category_moves_with_all_that_is_in_it(api: Api) -> None:
    path = "/v1/admin/categories"
    made = {}
    for name in ("a", "a/b", "a/b/c", "d", "a-b"):
        reply = await api.post(path, {"path": name, "title": name}, by=api.boss)
        made[name] = reply.body["category_id"]
    await create(api, "deep", category="a/b/c")
    # when a/b moves into d
    moved = await api.ask("PATCH", f"{path}/{made['a/b']}", {"path": "d/e"}, by=api.boss)
    assert moved.status == 200
    # then what is in it moves too, and products with it
    assert await found(api, "category=d") == ["deep"] == await found(api, "category=d&q=deep")
    assert await found(api, "category=a") == []
    listed = (await api.get("/v1/categories")).body["categories"]
    assert [one["path"] for one in listed] == ["a", "a-b", "d", "d/e", "d/e/c"]
    # and what makes no sense is refused
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("d", {"path": "d/e/f"}, "invalid_field"),
        ("a", {"path": "none/x"}, "invalid_field"),
        ("a", {"path": "d"}, "category_taken"),
    ]
    for name, change, code in cases:
        reply = await api.ask("PATCH", f"{path}/{made[name]}", change, by=api.boss)
        assert reply.code == code, change
    assert (await api.delete(f"{path}/{made['d']}", by=api.boss)).code == "category_used"
    assert (await api.delete(f"{path}/{made['a']}", by=api.boss)).status == 200
