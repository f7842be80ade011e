"""WeChat is told of each shipment, once for each change, until it accepts or refuses it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from redis.asyncio import Redis
from sqlalchemy import select, update

from livesale.database.session import session
from livesale.ledger.writer import Writer
from livesale.orders.wechat import outbox
from livesale.orders.wechat.client import WeChatShipping
from livesale.orders.wechat.sender import LONGEST_MS, ShippingSender
from livesale.orders.wechat.tables import shipping_uploads
from livesale.payments.tables import prepays
from livesale.tokens.apps import App
from tests.livesale.orders.after import SF, ship, tell_address
from tests.livesale.payments.shop import APPID, Shop, open_shop
from tests.livesale.stage import running, until_written
from tests.servers import Valkey
from tests.twins.wechat_shipping import WeChatShippingTwin

SECRET = "the secret of the mini-program"
FAR_MS = 9_000_000_000_000


@pytest.fixture
async def twin() -> AsyncIterator[WeChatShippingTwin]:
    twin = WeChatShippingTwin(APPID, SECRET)
    yield twin
    await twin.stop()


@pytest.fixture
async def shop(
    redis: Redis,
    redis_server: Valkey,
    sqlite_url: str,
    tmp_path: Path,
    twin: WeChatShippingTwin,
) -> AsyncIterator[Shop]:
    flags = {
        "wechat__appid": APPID,
        "wechat__secret": SECRET,
        "wechat__base_url": await twin.start(),
    }
    async with open_shop(redis, redis_server.url, sqlite_url, tmp_path, **flags) as shop:
        yield shop


async def paid(shop: Shop, twin: WeChatShippingTwin) -> str:
    """An order that was paid at WeChat, with an address."""
    async with running(Writer(shop.stage)):
        rid = await shop.begin(await shop.api.open_drop())
        shop.twin.pay(rid)
        await shop.twin.told()
        await until_written(shop.stage)
    twin.payments[str(shop.twin.orders[rid].transaction_id)] = "o-ann"
    assert (await tell_address(shop.api, rid, await shop.buyer("ann"))).status == 200
    return rid


async def send(shop: Shop, at_ms: int = FAR_MS, keepers: int = 1) -> None:
    async def one() -> None:
        wechat = WeChatShipping(shop.stage.settings)
        async with wechat.running():
            await ShippingSender(shop.stage, wechat).step(at_ms)

    await asyncio.gather(*(one() for _ in range(keepers)))


async def row_of(shop: Shop) -> dict[str, Any]:
    async with session(shop.stage.sql) as connection:
        found = await connection.execute(select(shipping_uploads))
        return dict(found.mappings().one())


async def test_a_shipment_is_told_once_and_again_when_it_changes(
    shop: Shop, twin: WeChatShippingTwin
) -> None:
    # given a shipped order, when four keepers see it
    rid = await paid(shop, twin)
    parcel = (await ship(shop.api, rid)).body
    await send(shop, keepers=4)
    # then WeChat was told once, with the parcel and the end of the phone
    ((body,),) = twin.told.values()
    assert (body["logistics_type"], body["delivery_mode"]) == (1, 1)
    assert body["shipping_list"] == [
        {
            "item_desc": "Tea",
            "tracking_no": SF["number"],
            "express_company": "SF",
            "contact": {"receiver_contact": "*******8000"},
        }
    ]
    assert (await row_of(shop))["state"] == "sent"
    await send(shop)
    assert twin.asked == 1
    # when the number is corrected, then it is told anew
    path = f"/v1/admin/parcels/{parcel['parcel_id']}/ship"
    await shop.api.post(path, {"carrier": "YD", "number": "1234567890123"}, by=shop.api.boss)
    await send(shop)
    assert [len(bodies) for bodies in twin.told.values()] == [2]
    # and when WeChat allows no more changes, then that is kept for people
    await shop.api.post(path, SF, by=shop.api.boss)
    await send(shop)
    row = await row_of(shop)
    assert (row["state"], row["detail"][:16]) == ("refused", "errcode 10060003")


async def test_an_order_in_two_parcels_is_a_split_delivery(
    shop: Shop, twin: WeChatShippingTwin
) -> None:
    rid = await paid(shop, twin)
    await ship(shop.api, rid, is_last=False, number="SF0000000000001")
    await send(shop)
    await ship(shop.api, rid)
    await send(shop)
    ((first, second),) = twin.told.values()
    assert (first["delivery_mode"], first["is_all_delivered"]) == (2, False)
    assert (second["is_all_delivered"], len(second["shipping_list"])) == (True, 2)


async def test_wechat_is_not_told_of_orders_of_pages(shop: Shop, twin: WeChatShippingTwin) -> None:
    # given an order that was paid in a page, by the official account
    rid = await paid(shop, twin)
    async with session(shop.stage.sql, write=True) as connection:
        await connection.execute(update(prepays).values(app=App.OFFICIAL_ACCOUNT))
    # when it is shipped, then WeChat is not told, and no money counts as frozen
    await ship(shop.api, rid)
    await send(shop)
    row = await row_of(shop)
    assert (row["state"], twin.asked) == ("not_needed", 0)
    async with session(shop.stage.sql) as connection:
        assert await outbox.count_refused(connection) == 0


async def test_it_is_tried_until_wechat_answers(shop: Shop, twin: WeChatShippingTwin) -> None:
    async def dead() -> web.StreamResponse:
        return web.Response(status=502)

    rid = await paid(shop, twin)
    await ship(shop.api, rid)
    twin.instead = dead
    for tries in range(1, 4):
        await send(shop, FAR_MS + tries * LONGEST_MS)
        row = await row_of(shop)
        assert (row["state"], row["tries"]) == ("due", tries)
    twin.instead = None
    twin.forget_tokens()
    await send(shop, FAR_MS + 5 * LONGEST_MS)
    assert (await row_of(shop))["state"] == "sent"


async def test_another_payer_is_refused(shop: Shop, twin: WeChatShippingTwin) -> None:
    rid = await paid(shop, twin)
    twin.payments = dict.fromkeys(twin.payments, "o-bob")
    await ship(shop.api, rid)
    await send(shop)
    assert (await row_of(shop))["state"] == "refused"
