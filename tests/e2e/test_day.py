"""One day of a shop, over HTTP only, on MariaDB: calm, and under kill -9 of every process.

Goods come in by file, a drop of one of them sells to buyers who log in and pay at WeChat's twins,
parcels leave by file, one order is picked up in a store, and one comes back in part. In the end the
audit holds, the stock of every SKU adds up, and so does the money at WeChat.
"""

import asyncio
import contextlib
import csv
import io
import itertools
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.system import Shop, System, open_shop
from tests.livesale.catalogue.drawn import picture
from tests.livesale.orders.after import HOME
from tests.livesale.payments.shop import APPID, new_twin, wechat_flags
from tests.livesale.pickup.test_pickup import STORE
from tests.twins.wechat_login import WeChatLoginTwin
from tests.twins.wechat_shipping import WeChatShippingTwin
from tests.waiting import until

ROWS, BAD = 200, 7
STOCK, ALLOTTED, BUYERS = 40, 20, 8
FAR_MS = 4_000_000_000_000
GAP_S = 1.0  # for work, after all have come back from a kill
VICTIMS = ("api-0", "writer", "keeper", "api-1", "redis")
FAULTS = (aiohttp.ClientError, TimeoutError)
PRICE_FEN = 9_900
SECRET = "the secret of the mini-program"


class WeChat:
    """The twins of what WeChat is for the shop: logins, payments, and the news of shipments."""

    def __init__(self) -> None:
        self.login = WeChatLoginTwin(APPID, SECRET, time.time)
        self.bank = new_twin()
        self.shipping = WeChatShippingTwin(APPID, SECRET, *self.login.routes)
        self.bank.tries_s = 0.01  # so that callbacks outlive a kill

    @contextlib.asynccontextmanager
    async def running(self, folder: Path) -> AsyncIterator[dict[str, str]]:
        """The settings of a shop whose WeChat this is."""
        flags = wechat_flags(self.bank, await self.bank.start(), folder)
        wechat = {"appid": APPID, "secret": SECRET, "base_url": await self.shipping.start()}
        sections = {"WECHATPAY": flags.pop("wechatpay"), "WECHAT": wechat}
        found = {f"LIVESALE__{name.upper()}": str(value) for name, value in flags.items()}
        for section, values in sections.items():
            found |= {f"LIVESALE__{section}__{name.upper()}": str(values[name]) for name in values}
        try:
            yield found
        finally:
            await self.shipping.stop()
            await self.bank.stop()

    def pay(self, order_id: str) -> None:
        """A buyer pays on the phone."""
        order = self.bank.pay(order_id)
        self.shipping.payments[order.transaction_id] = order.terms["payer"]["openid"]


class Day:
    """Calls that go on until they are answered, whatever is killed meanwhile."""

    def __init__(self, shop: Shop, wechat: WeChat) -> None:
        self.shop = shop
        self.wechat = wechat
        self.tokens: list[str] = []
        self.cookie = ""  # of the last login
        self.kills = 0

    async def log_in(self) -> None:
        """All buyers; a code that was used before an answer came is replaced by a new one."""
        for buyer in range(BUYERS):
            opened = None
            while opened is None:
                code = self.wechat.login.code_of(f"o-{buyer}")
                form = {"provider": "wechat", "code": code}
                opened = await self.ask("POST", "/v1/sessions", form, done={401: "invalid_code"})
            self.tokens.append(opened["token"])

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        buyer: int | None = None,
        raw: bytes | None = None,
        key: str = "",
        headers: Mapping[str, str] | None = None,
        done: Mapping[int, str] | None = None,
    ) -> Any:
        """The answer. `done`: refusals by status that say that a call before has done it;
        `headers`: of a caller who has no token."""
        token = self.shop.system.operator() if buyer is None else self.tokens[buyer]
        sent = dict(headers or {"Authorization": f"Bearer {token}"})
        sent |= {"Idempotency-Key": key} if key else {}
        async with asyncio.timeout(90):
            while True:
                with contextlib.suppress(*FAULTS):
                    async with self.shop.client.request(
                        method, self.shop.system.url + path, json=body, data=raw, headers=sent
                    ) as answer:
                        if answer.status < 300:
                            if "Set-Cookie" in answer.headers:
                                self.cookie = answer.headers["Set-Cookie"].partition(";")[0]
                            if answer.content_type == "application/json":
                                return await answer.json()
                            return await answer.text("utf-8-sig")
                        if answer.status not in (429, 503):
                            said = await answer.text()
                            assert done and done.get(answer.status, "?") in said, said
                            return None
                await asyncio.sleep(0.1)

    async def until(self, path: str, buyer: int | None = None, **wanted: Any) -> Any:
        """The document of a path, once it has these values."""
        found: Any = {}

        async def is_there() -> bool:
            nonlocal found
            found = await self.ask("GET", path, buyer=buyer)
            return all(found[name] == value for name, value in wanted.items())

        async with asyncio.timeout(90):
            await until(is_there)
        return found


async def bring_goods_in(day: Day) -> dict[str, Any]:
    """Import 200 rows, seven of them bad; the SKUs by their codes."""
    picture_id = (await day.ask("POST", "/v1/admin/pictures", raw=picture()))["picture_id"]
    rows = [[f"Goods {n}", f"S{n}", "99.00", str(STOCK), picture_id] for n in range(ROWS)]
    for number, (column, text) in zip(
        range(10, 10 + BAD),
        [(0, ""), (1, "S0"), (2, "free"), (2, "-1"), (3, "many"), (3, "-5"), (4, "../x")],
        strict=True,
    ):
        rows[number][column] = text
    text = io.StringIO()
    csv.writer(text).writerows([["title", "sku_code", "price", "stock", "pictures"], *rows])
    begun = await day.ask("POST", "/v1/admin/imports", raw=text.getvalue().encode(), key="goods")
    path = f"/v1/admin/imports/{begun['import_id']}"
    ended = await day.until(path, state="done")
    assert (ended["good"], ended["bad"]) == (ROWS - BAD, BAD)
    refused = list(csv.reader(io.StringIO(await day.ask("GET", f"{path}/bad-rows"))))
    assert len(refused) == 1 + BAD
    return await all_skus(day)


async def all_skus(day: Day) -> dict[str, Any]:
    found: dict[str, Any] = {}
    after = ""
    while True:
        page = await day.ask("GET", f"/v1/admin/skus?limit=100&after={after}")
        found |= {sku["code"]: sku for sku in page["skus"]}
        if page["next"] is None:
            return found
        after = page["next"]


async def sell(day: Day, sku_id: str) -> tuple[str, list[str]]:
    """A drop of a SKU, open; and paid orders of two units, one for each buyer but the last."""
    times = {"opens_ms": 0, "closes_ms": FAR_MS}
    campaign = await day.ask("POST", "/v1/admin/campaigns", {"title": "Friday", **times})
    terms = {"price_fen": PRICE_FEN, "allotted": ALLOTTED, "buyer_limit": 2, "hold_ms": 600_000}
    ids = {"campaign_id": campaign["campaign_id"], "sku_id": sku_id}
    drop_id = (await day.ask("POST", "/v1/admin/drops", {**ids, **terms}))["drop_id"]
    await day.ask("POST", f"/v1/admin/drops/{drop_id}/open")

    async def buy(buyer: int) -> str:
        path = f"/v1/drops/{drop_id}/reservations"
        held = await day.ask("POST", path, {"quantity": 2}, buyer=buyer, key="once")
        return str(held["reservation_id"])

    orders = await asyncio.gather(*map(buy, range(BUYERS)))
    await day.ask("DELETE", f"/v1/reservations/{orders.pop()}", buyer=BUYERS - 1)
    for buyer, order_id in enumerate(orders):
        await day.ask("POST", f"/v1/reservations/{order_id}/payment", buyer=buyer)
        day.wechat.pay(order_id)
    for buyer, order_id in enumerate(orders):
        await day.until(f"/v1/orders/{order_id}", buyer, status="sold")
    return drop_id, orders


async def ship(day: Day, orders: list[str]) -> None:
    """Buyers say where they live; a file of tracking numbers ships all orders."""
    for buyer, order_id in enumerate(orders):
        path = f"/v1/orders/{order_id}/address"
        await day.ask("PUT", path, {"address": HOME}, buyer=buyer)
    table = await day.ask("GET", "/v1/admin/exports/orders")
    assert {row["order_id"] for row in csv.DictReader(io.StringIO(table))} == set(orders)
    lines = [f"{order},SF,SF12345678901{number:02}" for number, order in enumerate(orders)]
    file = "\n".join(["order_id,carrier,number", *lines]).encode()
    shipped = await day.ask("POST", "/v1/admin/shipping", raw=file)
    assert shipped["errors"] == [] and shipped["shipped"] + shipped["same"] == len(orders)


async def settle_cases(day: Day, orders: list[str]) -> None:
    """The first buyer sends one of two units back; the second one is refused."""
    asked = {"kind": "return", "units": 1, "reason": "too small"}
    cases = []
    for buyer, order_id in enumerate(orders[:2]):
        path = f"/v1/orders/{order_id}/cases"
        await day.ask("POST", path, asked, buyer=buyer, done={409: "case_open"})
        order = await day.ask("GET", f"/v1/orders/{order_id}", buyer=buyer)
        cases += [case["case_id"] for case in order["cases"]]
    first, second = cases
    over = {409: "case_over"}
    await day.ask("POST", f"/v1/admin/cases/{second}/refuse", {"answer": "it was worn"}, done=over)
    await day.ask("POST", f"/v1/admin/cases/{first}/agree", {}, done=over)
    sent = {"carrier": "SF", "number": "SF9999999999999"}
    await day.ask("POST", f"/v1/cases/{first}/return", sent, buyer=0)
    await day.ask("POST", f"/v1/admin/cases/{first}/take-in", {"fate": "stock"}, done=over)
    back = day.wechat.bank.orders[orders[0]].refunds

    async def is_sent() -> bool:
        return bool(back)

    async with asyncio.timeout(90):
        await until(is_sent)
    day.wechat.bank.end_refund(*back)
    await day.until(f"/v1/cases/{first}", 0, state="refunded")
    order = await day.ask("GET", f"/v1/orders/{orders[0]}", buyer=0)
    assert [refund["amount_fen"] for refund in order["refunds"]] == [PRICE_FEN]
    case = await day.ask("GET", f"/v1/cases/{second}", buyer=1)
    assert case["state"] == "refused"


async def hand_out(day: Day, buyer: int, order_id: str) -> None:
    """The order waits in a store, whose clerk logs in and hands it out."""
    await day.ask("PUT", "/v1/admin/pickup-stores/nanshan", STORE | {"lat": 22.54, "lng": 113.95})
    path = f"/v1/orders/{order_id}/pickup"
    code = (await day.ask("PUT", path, {"store_id": "nanshan"}, buyer=buyer))["code"]
    clerk = {"name": "hua", "roles": ["clerk"], "store_id": "nanshan"}
    await day.ask("POST", "/v1/admin/operators", clerk, done={409: "operator_exists"})
    opened = None
    while opened is None:
        link = (await day.ask("POST", "/v1/admin/operators/hua/link"))["link"]
        form, used = {"link": link}, {401: "login_refused"}
        opened = await day.ask("POST", "/v1/operator/session", form, done=used)
    browser = {"Cookie": day.cookie, "X-CSRF-Token": opened["csrf"]}
    form = {"code": code}
    await day.ask("POST", "/v1/admin/pickups/use", form, key="handed-out", headers=browser)
    await day.until(f"/v1/orders/{order_id}", buyer, stage="received")


async def kill(day: Day) -> None:
    """Kill one process after the other."""
    for victim in itertools.cycle(VICTIMS):
        await day.shop.system.kill(victim)
        day.kills += 1
        await day.shop.system.wait_until_ready()
        await asyncio.sleep(GAP_S)


@contextlib.asynccontextmanager
async def disturbed(day: Day, *, with_kills: bool) -> AsyncIterator[None]:
    killing = asyncio.create_task(kill(day)) if with_kills else None
    try:
        yield
    finally:
        if killing is not None:
            killing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await killing


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "with_kills",
    [pytest.param(False, id="calm"), pytest.param(True, id="kills", marks=pytest.mark.soak)],
)
async def test_a_day_adds_up(tmp_path: Path, mariadb_url: str, with_kills: bool) -> None:
    wechat = WeChat()
    async with wechat.running(tmp_path) as settings:
        settings["LIVESALE__SQL__URL"] = mariadb_url
        System(tmp_path, **settings).command("migrate")
        async with open_shop(tmp_path, **settings) as shop:
            wechat.bank.deliver_to = shop.system.url
            await play(Day(shop, wechat), with_kills=with_kills)


async def play(day: Day, *, with_kills: bool) -> None:
    async with disturbed(day, with_kills=with_kills):
        # given goods, and a drop of one of them that has sold to seven buyers
        await day.log_in()
        skus = await bring_goods_in(day)
        assert len(skus) == ROWS - BAD
        sku_id = skus["S1"]["sku_id"]
        drop_id, orders = await sell(day, sku_id)
        # when all of it leaves, one order in a store, one unit comes back, and the drop closes
        *sent, collected = orders
        await hand_out(day, len(sent), collected)
        await ship(day, sent)
        await settle_cases(day, orders)
        await day.ask("POST", f"/v1/admin/drops/{drop_id}/close")
    assert day.kills >= len(VICTIMS) or not with_kills
    # then the SKU has what was received, less what buyers keep
    kept = 2 * len(orders) - 1
    await day.until(f"/v1/admin/skus/{sku_id}", on_hand=STOCK - kept, in_drops=0)
    # and every other one what was received
    for code, sku in (await all_skus(day)).items():
        assert code == "S1" or (sku["on_hand"], sku["in_drops"]) == (STOCK, 0), sku
    # and WeChat knows of each shipment, and has given back what one unit costs
    bank, told = day.wechat.bank, day.wechat.shipping.told

    async def is_told() -> bool:
        return {bank.orders[order_id].transaction_id for order_id in orders} <= set(told)

    async with asyncio.timeout(90):
        await until(is_told)
    assert bank.returned_fen == PRICE_FEN
    # and each promise is kept
    day.shop.system.command("audit", "--settle", "60")
