"""The page in WeChat's browser and in others, in Chromium, with twins of WeChat."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect
from redis.asyncio import Redis

from tests.livesale.api import FAR_MS, Api
from tests.livesale.payments.shop import APPID, Shop, open_shop
from tests.phones import phones
from tests.ports import free_port
from tests.servers import Valkey
from tests.twins.wechat_links import WeChatLinksTwin
from tests.twins.wechat_oauth import WeChatOAuthTwin
from tests.waiting import until

pytestmark = pytest.mark.slow

ACCOUNT = ("wx-account-of-pages", "the secret of the account")
APP = (APPID, "the secret of the mini-program")
WECHAT = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Mobile/15E148 MicroMessenger/8.0.50(0x18003237) NetType/WIFI Language/en"
)
# What WeChat's browser brings. It is there a moment after the page.
BRIDGE = """
setTimeout(() => {
  window.WeixinJSBridge = {
    invoke: (name, fields, done) => bank(name, fields).then((err_msg) => done({ err_msg })),
  }
  document.dispatchEvent(new Event('WeixinJSBridgeReady'))
}, 50)
"""


class Serve:
    """Opens shops on empty stores. Without a dev login nobody is let in without WeChat."""

    def __init__(self, redis: Redis, redis_url: str, sql_url: str, folder: Path) -> None:
        self._stores = (redis, redis_url, sql_url, folder)

    @asynccontextmanager
    async def shop(self, base_url: str, port: int, **flags: Any) -> AsyncIterator[Shop]:
        wechat = {"appid": APP[0], "secret": APP[1], "base_url": base_url}
        settings = {"auth__dev_login": False, "wechat": wechat, **flags}
        async with open_shop(*self._stores, port=port, **settings) as shop:
            yield shop


@pytest.fixture
def serve(redis: Redis, redis_server: Valkey, sqlite_url: str, tmp_path: Path) -> Serve:
    return Serve(redis, redis_server.url, sqlite_url, tmp_path)


async def test_in_wechat_s_browser_a_person_is_logged_in_and_pays(serve: Serve) -> None:
    # Given a shop whose pages belong to an official account, and a drop on sale
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    oauth = WeChatOAuthTwin(APP, ACCOUNT, origin, time.monotonic)
    base_url = await oauth.start()
    account = {
        "appid": ACCOUNT[0],
        "secret": ACCOUNT[1],
        "origin": origin,
        "authorize_url": f"{base_url}/connect/oauth2/authorize",
    }
    async with serve.shop(base_url, port, official_account=account) as shop:
        shop.twin.apps[ACCOUNT[0]] = "h-"
        oauth.person = "h-ann"
        drop_id = await shop.api.open_drop(allotted=3, ticket_required=True)
        await ask_for_challenges(shop.api, drop_id)
        async with phones() as open_phone:
            phone = await open_phone(user_agent=WECHAT)
            page = phone.page
            workers: list[str] = []
            page.on("worker", lambda worker: workers.append(worker.url))
            asked = await give_bridge(page, shop)
            # When somebody opens the shop
            place = f"{origin}/shop/?from=menu#/pages/drop/index?id={drop_id}"
            await page.goto(place)
            # Then they are logged in, and neither code nor state is left in the address
            await page.get_by_role("button", name="Buy now").first.click()
            await page.get_by_role("dialog").get_by_role("button", name="Buy now").click()
            pay = page.get_by_role("dialog").get_by_role("button", name="It is yours: pay now")
            await expect(pay).to_be_visible()
            assert page.url == place
            assert oauth.asked == 1
            # And a worker solved the challenge of the drop
            assert [url.startswith(f"{origin}/shop/assets/challenge-") for url in workers] == [True]
            # And they pay with the app of that login
            await pay.click()
            await page.get_by_role("button", name="Pay ¥19.90").click()
            paid = page.get_by_role("status").filter(has_text="Paid")
            await expect(paid).to_be_visible(timeout=15_000)
            assert asked == ["getBrandWCPayRequest"]
            assert await sold(shop.api, drop_id) == 1
            [order] = shop.twin.orders.values()
            assert order.terms["appid"] == ACCOUNT[0]
            # And the next visit asks WeChat for nothing
            await page.goto(f"{origin}/shop/")
            await expect(page.get_by_text("Tea").first).to_be_visible()
            assert oauth.asked == 1
            assert phone.complaints == []
    await oauth.stop()


async def test_in_another_browser_a_person_watches_and_opens_the_mini_program(
    serve: Serve,
) -> None:
    # Given a shop where only WeChat logs people in
    links = WeChatLinksTwin(*APP, {"pages/room/index", "pages/drop/index"})
    flags = {
        "mini_program__drop_page": "pages/drop/index?id={id}",
        "reminders__drop_template_id": "tmpl-drop",
        "reminders__drop_texts": {"thing1": "{title}"},
    }
    async with serve.shop(await links.start(), 0, **flags) as shop:
        drop_id = await shop.api.open_drop(allotted=3)
        soon_id = await shop.api.open_drop(opens_ms=FAR_MS - 1)
        async with phones() as open_phone:
            phone = await open_phone()
            page = phone.page
            opened: list[str] = []
            await page.route("https://wxaurl.cn/**", lambda route: note(opened, route))
            # When somebody opens the shop
            await page.goto(f"{shop.api.url}/shop/#/pages/drop/index?id={drop_id}")
            # Then they see what is on sale, and where it can be bought, and are asked for nothing
            buy = page.get_by_role("button", name="Buy now").first
            await expect(buy).to_be_visible()
            await expect(page.locator("[data-watch-only]")).to_contain_text("Buy in WeChat")
            await page.goto(f"{shop.api.url}/shop/#/pages/me/index")
            await expect(page.get_by_role("button", name="Open WeChat")).to_be_visible()
            await expect(page.locator(".uni-modal")).to_have_count(0)
            await page.goto(f"{shop.api.url}/shop/#/pages/drop/index?id={drop_id}")
            # And they are led to the mini-program when they want to buy
            await buy.click()
            await page.locator(".uni-modal__btn_primary").click()
            await page.wait_for_url("https://wxaurl.cn/**")
            assert opened == list(links.made)
            # And there they are reminded of what opens later: a browser cannot ask for consent
            await page.goto(f"{shop.api.url}/shop/#/pages/drop/index?id={soon_id}")
            await page.get_by_role("button", name="Remind me in WeChat").click()
            await page.wait_for_url("https://wxaurl.cn/**")
            assert opened == list(links.made)
            assert links.made[opened[-1]]["query"] == f"id={soon_id}"
            assert phone.complaints == []
        assert await sold(shop.api, drop_id) == 0
    await links.stop()


async def ask_for_challenges(api: Api, drop_id: str) -> None:
    path = f"/v1/admin/drops/{drop_id}/challenge"
    await api.post(path, {"difficulty": 50}, by=api.boss)

    async def the_worker_knows_it() -> bool:
        reply = await api.post(f"/v1/drops/{drop_id}/tickets", by=api.buyer("bob"))
        return reply.status == 403

    await until(the_worker_knows_it)


async def give_bridge(page: Page, shop: Shop) -> list[str]:
    """WeChat's bridge, with the twin as its bank; the names of what was invoked."""
    asked: list[str] = []

    def bank(name: str, fields: dict[str, str]) -> str:
        asked.append(name)
        if not shop.twin.accepts_in_page(fields):
            return "get_brand_wcpay_request:fail"
        shop.twin.pay(next(iter(shop.twin.orders)))
        return "get_brand_wcpay_request:ok"

    await page.expose_function("bank", bank)
    await page.add_init_script(BRIDGE)
    return asked


async def note(opened: list[str], route: Any) -> None:
    opened.append(route.request.url)
    await route.fulfill(status=200, body="WeChat")


async def sold(api: Api, drop_id: str) -> int:
    books = await api.get(f"/v1/admin/drops/{drop_id}/books", by=api.boss)
    return int(books.body["redis"]["sold"])
