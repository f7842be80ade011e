"""One sale under the eyes of some phones, while a part of the service is killed."""

import asyncio
import contextlib
import json
import random
import re
import time
from collections.abc import Awaitable, Callable, Sequence

import aiohttp
from msgspec import Struct
from playwright.async_api import Browser
from playwright.async_api import Error as PageError

from tests.e2e.stages import RoomStage, stage_room
from tests.e2e.system import Buyer, Count, Shop
from tests.faults.pages import witness
from tests.faults.pages.lies import differs, find_lies, truth_of
from tests.livesale.rooms.viewer import Viewer
from tests.phones import Phone, buy_in_room, open_phone
from tests.waiting import until

Kill = Callable[[], Awaitable[None]]  # and the part is back, or comes back by itself

UNITS = 40
CROWD = 12
SETTLE_S = 60.0
SPREAD_S = 2.5
PAY = re.compile("^Pay ¥")


class Run(Struct, frozen=True):
    """One page through one kill. `right_s`: from the kill until it showed what a fresh snapshot
    has, and the purchase had its end."""

    part: str
    right_s: float
    held: bool
    sold: bool
    sights: int
    lies: list[str]


async def play(
    shop: Shop, browser: Browser, part: str, kill: Kill, pages: int, chance: random.Random
) -> list[Run]:
    """Open a room on some phones, sell, kill, wait until all is right, and compare."""
    stage = await stage_room(shop, allotted=UNITS)
    second = Viewer(shop.client, shop.system.url, stage.room_id)
    watching = asyncio.create_task(second.stay())
    await second.until("snapshot", SETTLE_S)
    phones = [await open_phone(browser) for _ in range(pages)]
    try:
        for phone in phones:
            await witness.begin(phone.page)
        await asyncio.gather(*(phone.page.goto(stage.page) for phone in phones))
        for phone in phones:
            await phone.page.locator(".pinned").wait_for(timeout=60_000)
        await stage.open_drop()
        crowd = [asyncio.create_task(_buy_beside(shop, stage)), asyncio.create_task(_talk(stage))]
        people = [
            asyncio.create_task(_person(phone, pays=number % 2 == 0, wait_s=chance.random() * 2))
            for number, phone in enumerate(phones)
        ]
        await asyncio.sleep(chance.random() * SPREAD_S)
        await kill()
        killed_s = time.monotonic()
        await asyncio.gather(*crowd, *people)
        return [await _judge(shop, stage, second, phone, part, killed_s) for phone in phones]
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        for phone in phones:
            await phone.close()


async def _person(phone: Phone, *, pays: bool, wait_s: float) -> None:
    """Buys, and maybe pays. A page that hides a button for a while is asked again."""
    await asyncio.sleep(wait_s)
    page = phone.page
    with contextlib.suppress(PageError, AssertionError):
        await buy_in_room(page, SETTLE_S * 1000)
        if pays:
            await page.locator(".pinned").get_by_text("It is yours: pay now").click()
            await page.get_by_role("button", name=PAY).click(timeout=SETTLE_S * 1000)
            await page.locator(".uni-modal__btn_primary").click(timeout=SETTLE_S * 1000)
            await page.get_by_text("Paid", exact=True).first.wait_for(timeout=SETTLE_S * 1000)
    if "/room/" not in page.url:
        await page.go_back()
        await page.locator(".pinned").wait_for(timeout=SETTLE_S * 1000)


async def _buy_beside(shop: Shop, stage: RoomStage) -> None:
    """Others buy meanwhile: the stock changes."""
    answered = Count()
    tokens = shop.system.tokens(CROWD)
    for token in tokens:
        await Buyer(shop, token, 1, answered).buy(stage.drop_id)
        await asyncio.sleep(0.25)


async def _talk(stage: RoomStage) -> None:
    """The host speaks. A comment whose answer was lost may be there, or not."""
    for number in range(20):
        with contextlib.suppress(aiohttp.ClientError, AssertionError, TimeoutError):
            await stage.speak(f"word {number}")
        await asyncio.sleep(0.15)


async def _judge(
    shop: Shop, stage: RoomStage, second: Viewer, phone: Phone, part: str, killed_s: float
) -> Run:
    """Wait until the page is right, then look at all that it ever showed."""
    seen: Sequence[witness.Sight] = []
    why = ""

    async def is_right() -> bool:
        nonlocal seen, why
        seen = await witness.sights(phone.page)
        page = await shop.ask("GET", f"{stage.path}/events")
        why = differs(seen[-1], page["snapshot"], stage.drop_id)
        return why == ""

    lies: list[str] = []
    try:
        await until(is_right, SETTLE_S)
    except TimeoutError:
        lies.append(f"{SETTLE_S:.0f} s later it still shows {why}")
    right_s = time.monotonic() - killed_s
    held, sold = await _orders_of(shop, phone)
    end_ms = time.time() * 1000
    await until(lambda: second.connected.is_set())
    truth = truth_of(second.messages, stage.drop_id, held=held, sold=sold)
    lies += find_lies(seen, truth, end_ms)
    if second.faults:
        lies.append(f"the room itself: {second.faults[0]}")
    return Run(part, right_s, held, sold, len(seen), lies)


async def _orders_of(shop: Shop, phone: Phone) -> tuple[bool, bool]:
    """What the service says this phone's buyer has: anything, and sold."""
    stored = await phone.page.evaluate("localStorage.session")
    if stored is None:
        return False, False
    session = json.loads(stored)
    session = json.loads(session["data"]) if "data" in session else session
    headers = {"Authorization": f"Bearer {session['token']}"}

    complete: dict[str, object] = {}

    async def is_whole() -> bool:
        complete.update(await shop.ask("GET", "/v1/me/orders", **headers))
        return bool(complete["complete"])

    await until(is_whole)
    orders = complete["orders"]
    assert isinstance(orders, list)
    return bool(orders), any(order["status"] == "sold" for order in orders)
