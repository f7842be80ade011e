"""kill -9 of the keeper and of API workers: goods and stock add up afterwards."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from tests.e2e.system import Buyer, Count, Shop
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("rooms")  # one system for all of them

ROWS = 60
UNITS, ALLOTTED, BUYERS = 100, 60, 30
FAULTS = (aiohttp.ClientError, TimeoutError)


async def insist(call: Callable[[], Awaitable[Any]]) -> Any:
    """Repeat a call that was cut by a kill."""
    while True:
        with contextlib.suppress(*FAULTS):
            return await call()
        await asyncio.sleep(0.1)


async def test_goods_go_in_and_stock_adds_up_under_kill_9(shop: Shop) -> None:
    # given a table of goods, whose import is cut by kills of the keeper
    rows = [f"Goods {n % 20},P{n % 20},S{n},9.90,{UNITS}" for n in range(ROWS)]
    raw = "\n".join(["title,product_code,sku_code,price,stock", *rows]).encode()
    operator = {"Authorization": f"Bearer {shop.system.operator()}", "Idempotency-Key": "goods"}

    async def send() -> Any:
        async with shop.client.post(
            f"{shop.system.url}/v1/admin/imports", data=raw, headers=operator
        ) as answer:
            assert answer.status in (200, 202), await answer.text()
            return await answer.json()

    import_id = (await insist(send))["import_id"]
    path = f"imports/{import_id}"

    async def progress() -> Any:
        return await insist(lambda: shop.admin("GET", path))

    for least in (1, ROWS // 3):

        async def is_at_work(least: int = least) -> bool:
            return bool((await progress())["done"] >= least)

        async with asyncio.timeout(60):
            await until(is_at_work)
        await shop.system.kill("keeper")

    async def is_done() -> bool:
        return bool((await progress())["state"] == "done")

    async with asyncio.timeout(60):
        await until(is_done)
    # then each row went in once
    found = await progress()
    assert (found["good"], found["bad"]) == (ROWS, 0)
    skus = (await shop.admin("GET", "skus?limit=100"))["skus"]
    made = {one["code"]: one for one in skus if (one["code"] or "").startswith("S")}
    assert len(made) == ROWS and {one["on_hand"] for one in made.values()} == {UNITS}
    # when a drop of one of them opens, sells and closes while everything is killed
    sku_id = made["S0"]["sku_id"]
    times = {"opens_ms": 0, "closes_ms": 4_000_000_000_000}
    campaign = await shop.admin("POST", "campaigns", {"title": "x", **times})
    terms = {"price_fen": 990, "allotted": ALLOTTED, "buyer_limit": 1, "hold_ms": 600_000}
    ids = {"campaign_id": campaign["campaign_id"], "sku_id": sku_id}
    drop_id = (await shop.admin("POST", "drops", {**ids, **terms}))["drop_id"]
    opening = asyncio.create_task(insist(lambda: shop.admin("POST", f"drops/{drop_id}/open")))
    await shop.system.kill("api-0")
    await opening
    answered = Count()
    crowd = [Buyer(shop, token, 1, answered) for token in shop.system.tokens(BUYERS)]
    buying = [asyncio.create_task(buyer.buy(drop_id)) for buyer in crowd]
    adjustment = {"delta": 10, "reason": "more"}
    adjusting = asyncio.create_task(
        insist(
            lambda: shop.ask("POST", f"/v1/admin/drops/{drop_id}/adjust", adjustment, **operator)
        )
    )
    await shop.system.kill("keeper")
    await shop.system.kill("api-1")
    async with asyncio.timeout(120):
        await asyncio.gather(*buying, adjusting)
    await insist(lambda: shop.admin("POST", f"drops/{drop_id}/close"))
    await shop.system.kill("keeper")
    await shop.settle(drop_id)

    # then the drop has what is held, and everything else is free again
    async def is_returned() -> bool:
        sku = await insist(lambda: shop.admin("GET", f"skus/{sku_id}"))
        return bool((sku["on_hand"], sku["in_drops"]) == (UNITS, BUYERS))

    async with asyncio.timeout(60):
        await until(is_returned)
    page = await shop.admin("GET", f"stock-moves?sku_id={sku_id}")
    units = {"to_drop": 0, "from_drop": 0, "received": 0}
    for one in page["moves"]:
        units[one["kind"]] += one["units"]
    assert units["received"] == UNITS
    assert units["to_drop"] - units["from_drop"] == BUYERS
    # and nothing moves any more: a second look finds no difference
    again = await shop.admin("GET", f"stock-moves?sku_id={sku_id}")
    assert again == page
