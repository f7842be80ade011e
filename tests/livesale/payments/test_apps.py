"""Paying in two apps: WeChat knows a buyer by another openid in each, and an order in one."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import select

from livesale.database.engine import transaction
from livesale.identity.buyer_ids import Identity, wechat_buyer_id
from livesale.identity.store import know_buyer
from livesale.ledger.writer import Writer
from livesale.operations.audit import audit
from livesale.payments.tables import prepays
from livesale.tokens.apps import App
from tests.livesale.api import Reply
from tests.livesale.payments.shop import APPID, Shop, open_shop
from tests.livesale.stage import running, until_written
from tests.servers import Valkey

ACCOUNT = "wxaccount"
H5, MINI = App.OFFICIAL_ACCOUNT, App.MINI_PROGRAM


@pytest.fixture
async def shop(
    redis: Redis, redis_server: Valkey, sqlite_url: str, tmp_path: Path
) -> AsyncIterator[Shop]:
    """One that takes money in its mini-program and in its pages."""
    flags = {
        "official_account__appid": ACCOUNT,
        "official_account__secret": "secret",
        "official_account__origin": "https://shop.example",
    }
    async with open_shop(redis, redis_server.url, sqlite_url, tmp_path, **flags) as shop:
        shop.twin.apps[ACCOUNT] = "h-"
        yield shop


async def log_in(shop: Shop, name: str, app: App, union_id: str = "") -> str:
    """The buyer, as a login would find it."""
    appid, provider = (ACCOUNT, "wechat_h5") if app is H5 else (APPID, "wechat")
    openid = f"{'h' if app is H5 else 'o'}-{name}"
    identity = Identity(wechat_buyer_id(appid, openid), provider, openid, appid, union_id)
    return await know_buyer(shop.stage.sql, identity)


async def start(shop: Shop, rid: str, buyer_id: str, app: App) -> Reply:
    token = shop.api.signer.buyer(buyer_id, app=app)
    return await shop.api.post(f"/v1/reservations/{rid}/payment", by=token)


async def hold(shop: Shop, drop_id: str, buyer_id: str) -> str:
    return str((await shop.api.reserve(drop_id, buyer_id)).body["reservation_id"])


async def state_of(shop: Shop, rid: str) -> Any:
    reservation = await shop.stage.engine.reservation(rid)
    assert reservation is not None
    return reservation.state


async def test_a_page_pays_by_the_app_of_its_login(shop: Shop) -> None:
    async with running(Writer(shop.stage)):
        # given a buyer of the pages, with a hold
        drop_id = await shop.api.open_drop()
        buyer_id = await log_in(shop, "ann", H5)
        rid = await hold(shop, drop_id, buyer_id)
        # when the payment begins
        reply = await start(shop, rid, buyer_id, H5)
        # then the order has the app and the openid of this login
        terms = shop.twin.orders[rid].terms
        assert (terms["appid"], terms["payer"]) == (ACCOUNT, {"openid": "h-ann"})
        # and WeChat's browser takes the fields: all six, and none of them altered
        fields = reply.body["request_payment"]
        assert shop.twin.accepts_in_page(fields)
        assert fields["appId"] == ACCOUNT
        assert not shop.twin.accepts(fields)
        for name in fields:
            assert not shop.twin.accepts_in_page(fields | {name: f"0{fields[name]}"}), name
        assert not shop.twin.accepts_in_page(fields | {"appId": APPID})
        # and a repeat announces the same order
        assert (await start(shop, rid, buyer_id, H5)).status == 201
        assert len(shop.twin.orders) == 1
        # when the money comes, then it is sold, and goes back as any other
        shop.twin.pay(rid)
        await shop.twin.told()
        assert (shop.twin.heard, await state_of(shop, rid)) == ([200], "sold")
        await until_written(shop.stage)
        assert [check for check in await audit(shop.stage, full=True) if not check.ok] == []


async def test_one_person_pays_in_both_apps(shop: Shop) -> None:
    # given somebody who is one buyer in both, made by the mini-program
    drop_id = await shop.api.open_drop()
    buyer_id = await log_in(shop, "ann", MINI, "u-ann")
    assert await log_in(shop, "ann", H5, "u-ann") == buyer_id
    # when each app pays for a hold
    for app, appid, openid in ((MINI, APPID, "o-ann"), (H5, ACCOUNT, "h-ann")):
        rid = await hold(shop, drop_id, buyer_id)
        assert (await start(shop, rid, buyer_id, app)).status == 201
        # then the order is that app's, and the payer is this buyer
        terms = shop.twin.orders[rid].terms
        assert (terms["appid"], terms["payer"]["openid"]) == (appid, openid)
        shop.twin.pay(rid)
        await shop.twin.told()
        assert await state_of(shop, rid) == "sold"
    assert shop.twin.heard == [200, 200]
    # and a payment that was begun in one app is not announced in the other
    rid = await hold(shop, drop_id, buyer_id)
    await start(shop, rid, buyer_id, MINI)
    asked = len(shop.twin.asked)
    elsewhere = await start(shop, rid, buyer_id, H5)
    assert (elsewhere.status, elsewhere.code) == (409, "paying_elsewhere")
    assert "mini-program" in elsewhere.body["detail"]
    assert len(shop.twin.asked) == asked
    async with transaction(shop.stage.sql, write=False) as connection:
        query = select(prepays.c.app).where(prepays.c.order_id == rid)
        assert await connection.scalar(query) == "mini_program"
    # and there it is paid
    assert (await start(shop, rid, buyer_id, MINI)).status == 201


async def test_a_buyer_of_one_app_does_not_pay_in_the_other(shop: Shop) -> None:
    # given two buyers of whom WeChat does not say that they are one
    drop_id = await shop.api.open_drop()
    ann, page_ann = await log_in(shop, "ann", MINI), await log_in(shop, "ann", H5)
    # when a token says an app by which its buyer never came
    for buyer_id, app in ((ann, H5), (page_ann, MINI)):
        rid = await hold(shop, drop_id, buyer_id)
        reply = await start(shop, rid, buyer_id, app)
        # then WeChat is not asked
        assert (reply.status, reply.code) == (409, "payer_unknown")
    assert shop.twin.asked == []
    # and money of the one does not buy for the other, though the callback is WeChat's
    rid = await hold(shop, drop_id, ann)
    await start(shop, rid, ann, MINI)
    shop.twin.silent = True
    shop.twin.pay(rid)
    shop.twin.orders[rid].terms |= {"appid": ACCOUNT, "payer": {"openid": "h-ann"}}
    refused = await shop.notify(shop.twin.payment_callback(rid))
    assert (refused.status, refused.code) == (403, "callback_refused")
    # nor does an openid under the other app's id
    shop.twin.orders[rid].terms |= {"appid": ACCOUNT, "payer": {"openid": "o-ann"}}
    assert (await shop.notify(shop.twin.payment_callback(rid))).code == "callback_refused"
    assert await state_of(shop, rid) == "held"


async def test_a_shop_without_pages_takes_no_money_there(
    redis: Redis, redis_server: Valkey, sqlite_url: str, tmp_path: Path
) -> None:
    async with open_shop(redis, redis_server.url, sqlite_url, tmp_path) as shop:
        drop_id = await shop.api.open_drop()
        buyer_id = await shop.buyer("ann")
        rid = await hold(shop, drop_id, buyer_id)
        assert (await start(shop, rid, buyer_id, H5)).code == "payer_unknown"
