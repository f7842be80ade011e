"""The page under faults: a wrong clock, lost answers, a reload, SQL away, a drop that changes."""

import pytest
from playwright.async_api import Route, expect

from tests.livesale.api import Api
from tests.livesale.catalogue.test_catalogue import break_sql
from tests.livesale.faces.conftest import OpenPhone
from tests.livesale.faces.shopper import Shopper
from tests.waiting import until

pytestmark = pytest.mark.slow
SOON_MS = 4_000
# Three hours ahead, and the clock of the page does not go back when it is asked again.
WRONG_CLOCK = """
const RealDate = Date
Date = class extends RealDate {
  constructor(...args) {
    if (args.length) super(...args)
    else super(RealDate.now() + 3 * 3600e3)
  }
  static now() { return RealDate.now() + 3 * 3600e3 }
}
"""
# Asks the service for its time in the instant in which the button opens.
SEES_OPENING = """
new MutationObserver(() => {
  const button = document.querySelector('.bottom-bar .button')
  if (window.openedAt || button?.getAttribute('aria-disabled') !== 'false') return
  window.openedAt = fetch('/v1/time').then((answer) => answer.json())
}).observe(document, {subtree: true, childList: true, attributes: true})
"""


async def test_a_sale_opens_by_the_clock_of_the_service(api: Api, open_phone: OpenPhone) -> None:
    # Given a phone whose clock is three hours ahead, and a drop that opens in seconds
    phone = await open_phone(320, WRONG_CLOCK + SEES_OPENING, color_scheme="dark", locale="zh-CN")
    await phone.go("home/index")
    await phone.sees("现在没有活动")
    opens_ms = (await api.get("/v1/time")).body["server_ms"] + SOON_MS
    drop = await api.create_drop(opens_ms=opens_ms)
    await api.post(f"/v1/admin/drops/{drop['drop_id']}/open", by=api.boss)
    await phone.page.evaluate(f"location.hash = '#/pages/drop/index?id={drop['drop_id']}'")
    # Then it counts down, and the button is shut
    await phone.sees("距开抢")
    shut = phone.page.locator(".bottom-bar").get_by_role("button")
    await expect(shut).to_have_attribute("aria-disabled", "true")
    # When it opens
    await expect(shut).to_have_text("立即抢购")
    # Then not before the service's own instant, nor hours after it
    seen = await phone.page.evaluate("window.openedAt")
    assert opens_ms <= seen["server_ms"] < opens_ms + 2_000
    # And the first tap is taken
    await phone.tap("立即抢购")
    await phone.tap("立即抢购", within="[role=dialog]")
    await phone.sees("抢到了！")
    # And nothing is wider than a small phone
    assert await phone.page.evaluate("document.documentElement.scrollWidth") <= 320
    assert await phone.serious_faults() == []
    assert phone.complaints == []


async def test_twenty_taps_a_lost_reply_and_a_reload_make_one_reservation(
    api: Api, shopper: Shopper
) -> None:
    # Given a network that carries requests there, and no reply back
    drop_id = await api.open_drop(allotted=50, buyer_limit=40)
    page = shopper.page
    sent: list[str] = []

    async def lose(route: Route) -> None:
        sent.append(str(route.request.headers["idempotency-key"]))
        if len(sent) == 1:
            await route.fetch()  # it is carried out
        await route.abort()

    pattern = f"**/v1/drops/{drop_id}/reservations"
    await page.route(pattern, lose)
    await shopper.go(f"drop/index?id={drop_id}")
    await shopper.tap("Buy now")
    await expect(shopper.sheet).to_be_visible()
    # When the button is tapped twenty times
    await shopper.sheet.get_by_role("button", name="Buy now").evaluate(
        "button => { for (let tap = 0; tap < 20; tap += 1) button.click() }"
    )
    # Then the page says that it does not know
    await shopper.sees("You cannot buy twice")
    await until(lambda: len(sent) >= 2)
    assert len(set(sent)) == 1
    assert (await api.books(drop_id))["redis"]["held"] == 1
    # When the page is loaded again, by a network that works
    await page.unroute(pattern)
    await page.reload()
    # Then it finds the reservation by itself
    await shopper.sees("Pay within")
    assert (await api.books(drop_id))["redis"]["held"] == 1
    [hold] = (await api.get("/v1/me/overview", by=await shopper.token())).body["holds"]
    await shopper.sees(hold["reservation_id"])
    assert [text for text in shopper.complaints if "ERR_FAILED" not in text] == []


async def test_a_new_hold_is_in_the_list_while_sql_is_away(api: Api, shopper: Shopper) -> None:
    # Given a page that has shown the drop
    drop_id = await api.open_drop()
    page = shopper.page
    await shopper.go(f"drop/index?id={drop_id}")
    await shopper.sees("Tea")
    await shopper.tap("Buy now")
    await shopper.sees("You can still take 3")
    # When SQL goes away, and somebody buys
    await break_sql(api)
    await shopper.tap("Buy now", within="[role=dialog]")
    await shopper.sees("It is yours", "[role=dialog]")
    # Then the hold is among the orders, and the page says that something may be missing
    await shopper.go("orders/index")
    row = page.locator("[data-standing=held]")
    await expect(row).to_have_count(1)
    await expect(row).to_contain_text("New")
    await shopper.sees("Some of it cannot be read now")
    # And its page keeps it, whatever else cannot be read
    await row.click()
    await shopper.sees("Pay within")
    await shopper.sees("Your units are safe")
    await shopper.tap("Pay ¥19.90")
    await shopper.sees("Your holds are safe", "[data-step=unpaid]")


async def test_a_drop_shows_what_it_is_now_and_one_way_on(api: Api, shopper: Shopper) -> None:
    # Given a drop that somebody looks at
    drop_id = await api.open_drop(allotted=4, buyer_limit=1)
    page = shopper.page
    bar = page.locator(".bottom-bar").get_by_role("button")
    await shopper.go(f"drop/index?id={drop_id}")
    await expect(bar).to_have_text("Buy now")

    async def operate(verb: str) -> None:
        assert (await api.post(f"/v1/admin/drops/{drop_id}/{verb}", by=api.boss)).status == 200

    # When it is paused, and goes on, and everything is taken, and comes back
    await operate("pause")
    await shopper.sees("The shop has paused this sale")
    await expect(bar).to_have_attribute("aria-disabled", "true")
    await operate("resume")
    await expect(bar).to_have_text("Buy now")
    crowd = {name: await api.reserve(drop_id, name) for name in ("bob", "cleo", "dan", "eve")}
    await expect(bar).to_have_text("Sold out, units may return")
    for name in ("bob", "cleo"):
        rid = crowd[name].body["reservation_id"]
        assert (await api.delete(f"/v1/reservations/{rid}", by=api.buyer(name))).status == 200
    await expect(bar).to_have_text("Buy now")
    # When the buyer has the limit already, by another phone
    await shopper.tap("Buy now")
    await shopper.sees("You can still take 1")
    taken = await api.post(
        f"/v1/drops/{drop_id}/reservations", {"quantity": 1}, by=await shopper.token()
    )
    assert taken.status == 201
    await shopper.tap("Buy now", within="[role=dialog]")
    # Then the refusal has its text, and exactly one next action
    await shopper.sees("You have reached the limit", "[role=dialog]")
    ways = page.locator("[role=dialog] .end").get_by_role("button")
    await expect(ways).to_have_text(["See your orders"])
    # When the sale ends
    await page.keyboard.press("Escape")
    await expect(shopper.sheet).to_have_count(0)
    await operate("close")
    await shopper.sees("This sale is over")
    assert shopper.complaints == []
