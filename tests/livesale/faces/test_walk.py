"""Every page of the shop, with something on it: nothing jumps, nothing is wider than the phone, axe
finds nothing serious, and no page complains."""

from typing import Any

import pytest
from playwright.async_api import expect

from livesale.ledger.writer import Writer
from livesale.resources import Deployment
from tests.livesale.api import FAR_MS, Api
from tests.livesale.faces.conftest import OpenPhone, make_product
from tests.livesale.faces.shopper import Shopper
from tests.livesale.orders.after import HOME, sell, ship
from tests.livesale.pickup.test_pickup import add_store
from tests.livesale.stage import on_both_in_soak, running

pytestmark = pytest.mark.slow

BUYER = "dev-ann"  # whom a phone with this name logs in
MOST_SHIFT = 0.05
PHONES = {
    "narrow, dark, Chinese": {"width": 320, "color_scheme": "dark", "locale": "zh-CN"},
    "wide, light, English": {"width": 430, "color_scheme": "light", "locale": "en-GB"},
}
# How much of the page has moved by itself, and what; and who holds the phone.
WATCH = """
window.shifts = []
new PerformanceObserver((list) => {
  for (const { value, hadRecentInput, sources } of list.getEntries()) {
    const moved = sources.map(({ node }) => node?.className || node?.nodeName || '')
    if (!hadRecentInput) window.shifts.push([value, moved])
  }
}).observe({ type: 'layout-shift', buffered: true })
if (location.protocol === 'http:') {
  localStorage['dev-name'] = JSON.stringify({ type: 'string', data: 'ann' })
}
"""
IS_DRAWN = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


async def fill(api: Api) -> dict[str, tuple[str, str]]:
    """A shop with everything that a page can show; where each page is, and a text on it."""
    boss, buyer = api.boss, api.buyer(BUYER)
    product = await make_product(api)
    small, large = product["skus"]
    drop_id = await api.open_drop(sku_id=small, allotted=30, buyer_limit=20)
    soon = await api.create_drop(sku_id=large, opens_ms=FAR_MS - 1)
    await api.post(f"/v1/admin/drops/{soon['drop_id']}/open", by=boss)
    room_id = await live_room(api, large)
    await add_store(api, "nanshan", 22.54, 113.95)
    async with running(Writer(api.deployment)):
        waiting, sent, stored = [await sell(api, drop_id, BUYER) for _ in range(3)]
    held = await api.reserve(drop_id, BUYER)
    book = await api.post("/v1/addresses", HOME, by=buyer)
    assert book.status == 201, book.body
    for order_id in (waiting, sent):
        to = {"address_id": book.body["address_id"]}
        told = await api.ask("PUT", f"/v1/orders/{order_id}/address", to, by=buyer)
        assert told.status == 200, told.body
    assert (await ship(api, sent)).status == 201
    place = {"store_id": "nanshan"}
    chosen = await api.ask("PUT", f"/v1/orders/{stored}/pickup", place, by=buyer)
    assert chosen.status == 200, chosen.body
    asked = {"kind": "refund", "units": 1, "reason": "It smells of soap"}
    case = await api.post(f"/v1/orders/{sent}/cases", asked, by=buyer)
    assert case.status == 201, case.body
    return {
        "home": ("home/index", "Oolong"),
        "goods": ("goods/index", "Oolong"),
        "product": (f"product/index?id={product['product_id']}", "Oolong"),
        "drop": (f"drop/index?id={drop_id}", "Oolong"),
        "drop, soon": (f"drop/index?id={soon['drop_id']}", "Oolong"),
        "room": (f"room/index?id={room_id}", "Teapot"),
        "draws": (f"draws/index?room={room_id}", ""),
        "me": ("me/index", "Oolong"),
        "orders": ("orders/index", "Oolong"),
        "order, held": (f"order/index?id={held.body['reservation_id']}", "Oolong"),
        "order": (f"order/index?id={sent}", "SF1234567890123"),
        "order, in a store": (f"order/index?id={stored}", "1 Keji Road"),
        "addresses": ("addresses/index", HOME["name"]),
        "address": (f"address/index?id={book.body['address_id']}", ""),
        "case": (f"case/index?id={case.body['case_id']}", "It smells of soap"),
        "new case": (f"case/index?order={waiting}", "¥19.90"),
        "refunds": ("refunds/index", ""),
        "coupons": ("coupons/index", ""),
    }


async def live_room(api: Api, sku_id: str) -> str:
    """It has a pinned item that is not on sale, and comments."""
    host = api.buyer("host")
    new = {"title": "Tea tonight", "host": "host", "host_name": "Mei", "starts_ms": FAR_MS}
    room_id = str((await api.post("/v1/rooms", new, by=api.boss)).body["room_id"])
    path = f"/v1/rooms/{room_id}"
    await api.post(f"{path}/start", by=api.boss)
    thing = {"sku_id": sku_id, "title": "Teapot", "state": "on_sale"}
    item = await api.post(f"{path}/items", thing, by=api.boss)
    pinned = await api.post(f"{path}/items/{item.body['item_id']}/pin", by=api.boss)
    assert pinned.status == 200, pinned.body
    for number in range(12):
        await api.post(f"{path}/comments", {"text": f"How hot, {number}?"}, by=host)
    return room_id


@on_both_in_soak
@pytest.mark.parametrize(
    "kind",
    [name if "narrow" in name else pytest.param(name, marks=pytest.mark.soak) for name in PHONES],
)
async def test_every_page_is_accessible_and_still(
    api: Api, stage: Deployment, open_phone: OpenPhone, kind: str
) -> None:
    # Given a shop with something on each page, and a phone of a buyer of it
    pages = await fill(api)
    options: dict[str, Any] = PHONES[kind]
    phone = await open_phone(script=WATCH, **options)
    found: dict[str, list[str]] = {}
    # When somebody opens each page by its link
    for name, (address, text) in pages.items():
        await phone.go(address)
        await phone.page.locator("[role=main]").first.wait_for()
        await expect(phone.page.locator(".bone")).to_have_count(0)
        if text:
            await phone.sees(text)
        found[name] = await faults_of(phone, options["width"])
    # Then nothing is wrong with any of them
    assert {name: faults for name, faults in found.items() if faults} == {}
    assert phone.complaints == []


async def faults_of(phone: Shopper, width: int) -> list[str]:
    await phone.page.evaluate(IS_DRAWN)
    faults = await phone.serious_faults()
    wide: Any = await phone.page.evaluate("document.documentElement.scrollWidth")
    if wide > width:
        faults.append(f"{wide} px wide")
    shifts: Any = await phone.page.evaluate("window.shifts")
    moved = sum(value for value, _ in shifts)
    if moved >= MOST_SHIFT:
        faults.append(f"moved by {moved:.3f}: {shifts}")
    return faults
