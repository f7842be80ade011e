"""The room on a phone: the built page, on the whole service, in the system's Chromium."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from tests.e2e.stages import RoomStage, stage_room
from tests.e2e.system import Shop
from tests.phones import OpenPhone, buy_in_room, phones
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("rooms")  # one system for all of them

WAIT_MS = 20_000
ROWS = 60
FLUSHES_PER_S = 5

# Counts how often the list of comments is drawn, and how many rows it ever had.
COUNT_FLUSHES = """() => {
  const list = document.querySelector('.comments .rows')
  const found = { at: [], most: 0 }
  window.flushes = found
  new MutationObserver(() => {
    found.at.push(performance.now())
    found.most = Math.max(found.most, list.querySelectorAll('.row').length)
  }).observe(list, { childList: true })
}"""
# The scrolling element, where it stands, and the first row that can be seen whole.
READ_PLACE = """() => {
  const list = document.querySelector('.comments')
  const box = list.getBoundingClientRect()
  const rows = [...list.querySelectorAll('.row')]
  const first = rows.find((row) => row.getBoundingClientRect().top >= box.top)
  return [first.id, Math.round(first.getBoundingClientRect().top)]
}"""


@pytest.fixture
async def open_phone() -> AsyncIterator[OpenPhone]:
    async with phones() as opened:
        yield opened


def shows(page: Page, text: str) -> Any:
    return expect(page.get_by_text(text, exact=True).first).to_be_visible(timeout=WAIT_MS)


async def test_a_room_from_its_announcement_to_its_end(shop: Shop, open_phone: OpenPhone) -> None:
    # Given a room that is announced, and somebody who opens its link
    stage = await stage_room(shop, starts=False)
    phone = await open_phone()
    page = phone.page
    await page.goto(stage.page)
    await shows(page, "Begins in")
    # When it goes live, then its host, its viewers and its item are there
    await stage.act("start")
    await expect(page.get_by_text("Begins in")).to_have_count(0, timeout=WAIT_MS)
    await shows(page, "Tea tonight")
    await expect(page.get_by_text(re.compile("Mei · .*1 watching"))).to_be_visible(timeout=WAIT_MS)
    await expect(page.locator(".pinned")).to_contain_text("Tea set")
    # And no picture is said, and stops nobody from buying
    await shows(page, "No picture right now. Items still sell")
    await stage.open_drop()
    await buy_in_room(page)
    await shows(page, "It is yours: pay now")
    await expect(page.locator(".pinned")).to_contain_text("left 49 / 50", timeout=WAIT_MS)
    # When somebody speaks and likes, then all see it
    await page.get_by_role("textbox").fill("<b>How hot?</b>")
    await page.get_by_text("Send", exact=True).click()
    await shows(page, "<b>How hot?</b>")
    for _ in range(5):
        await page.get_by_label("Like", exact=True).click()
    await expect(page.get_by_text(re.compile("5 likes"))).to_be_visible(timeout=WAIT_MS)
    # When it is paused, taken off the air, and lifted, then each is said
    await stage.act("pause")
    await shows(page, "The host is away for a moment. Items still sell")
    await stage.act("ban")
    await shows(page, "This room was taken off the air")
    await stage.act("unban")
    await stage.act("resume")
    await expect(page.get_by_text("off the air")).to_have_count(0, timeout=WAIT_MS)
    # When it is over, then the end is said, and where to go on
    await stage.act("end")
    await shows(page, "The show is over")
    await shows(page, "See other rooms")
    assert phone.complaints == []


async def test_a_bag_is_entered_drawn_and_checked(shop: Shop, open_phone: OpenPhone) -> None:
    # Given a bag that asks for a phrase and a stay, with a coupon for one
    stage = await stage_room(shop)
    phone = await open_phone()
    page = phone.page
    await page.goto(stage.page)
    await shows(page, "Tea tonight")
    terms = {"coupon": "¥20 off", "phrase": "I want tea", "stay_s": 2, "countdown_s": 12}
    bag = await stage.open_bag(**terms)
    # When somebody opens it and enters, then the phrase is said for them, and they are in
    await page.get_by_label(re.compile("Lucky bag")).click(timeout=WAIT_MS)
    await shows(page, "I want tea")
    await page.get_by_text("Post it and enter").click()
    await expect(page.get_by_text(re.compile("Stay . s longer"))).to_be_visible()
    await shows(page, "You are in. Wait for the draw")
    # When it is drawn, then they have won, claim it, and see the code
    await shows(page, "You won")
    await page.get_by_text("Claim", exact=True).click()
    await shows(page, "Code")
    # And the phone draws again, and knows the commitment from before
    await page.get_by_text("Check the draw").click()
    await shows(page, "The draw is right: these won among 1 entries")
    await shows(page, "It is the commitment that you saw before the draw")
    await shows(page, "Your entry is in the list")
    # When one digit of the record is another on its way, then the check on the draws' page fails
    await page.route(f"**/bags/{bag['bag_id']}", alter_seed)
    await page.locator(".sheet").get_by_text("Draws", exact=True).click()
    await page.locator(".draws").get_by_text("Check the draw").click(timeout=WAIT_MS)
    await shows(page, "The draw does not hold")
    await expect(page.locator(".draws .mark.wrong").first).to_be_visible()
    assert phone.complaints == []


async def alter_seed(route: Route) -> None:
    """One hexadecimal digit of the seed is another."""
    answer = await route.fetch()
    record = json.loads(await answer.text())
    seed = record["bag"]["seed"]
    record["bag"]["seed"] = ("1" if seed[0] == "0" else "0") + seed[1:]
    await route.fulfill(response=answer, json=record)


async def test_long_poll_alone_is_enough(shop: Shop, open_phone: OpenPhone) -> None:
    # Given a network on which no socket opens
    stage = await stage_room(shop)
    await stage.open_drop()
    phone = await open_phone()
    page = phone.page
    await page.route_web_socket("**/socket*", lambda socket: socket.close())
    # When somebody looks, speaks and buys there
    await page.goto(stage.page)
    await buy_in_room(page)
    await shows(page, "It is yours: pay now")
    await stage.speak("good evening")
    await shows(page, "good evening")
    await page.get_by_role("textbox").fill("good evening, too")
    await page.get_by_text("Send", exact=True).click()
    await shows(page, "good evening, too")
    await expect(page.locator(".pinned")).to_contain_text("left 49 / 50", timeout=WAIT_MS)
    # And pays on another device, then this one hears of it
    await pay_elsewhere(shop, page)
    await shows(page, "Paid. It is yours")


async def pay_elsewhere(shop: Shop, page: Page) -> None:
    """By the same buyer, with the token of this page."""
    stored = json.loads(await page.evaluate("localStorage.session"))
    session = json.loads(stored["data"]) if "data" in stored else stored
    headers = {"Authorization": f"Bearer {session['token']}"}
    orders = await shop.ask("GET", "/v1/me/orders", **headers)
    path = f"/v1/payments/simulated/{orders['orders'][0]['order_id']}"
    await shop.ask("POST", path, {"outcome": "paid"}, **headers)


async def test_two_hundred_comments_in_ten_seconds(shop: Shop, open_phone: OpenPhone) -> None:
    # Given a full list of comments on a phone
    stage = await stage_room(shop)
    phone = await open_phone()
    page = phone.page
    await page.goto(stage.page)
    await speak(stage, 0, ROWS)
    await shows(page, f"comment {ROWS - 1}")
    await page.evaluate(COUNT_FLUSHES)
    # When a hundred come in five seconds, then the list is drawn at most five times a second
    await speak(stage, 100, 200)
    await shows(page, "comment 199")
    found = await page.evaluate("window.flushes")
    for at in found["at"]:
        within = [other for other in found["at"] if at <= other < at + 1_000]
        assert len(within) <= FLUSHES_PER_S
    assert found["most"] == ROWS
    # When somebody reads older ones while another hundred come, then nothing moves
    box = await page.locator(".comments").first.bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + 20, box["y"] + 20)
    await page.mouse.wheel(0, -600)
    before = await settled(page)
    await speak(stage, 200, 300)
    newer = page.get_by_text(re.compile(r"\d+ new comments"))
    await expect(newer).to_be_visible(timeout=WAIT_MS)
    assert await page.evaluate(READ_PLACE) == before
    # And the way back leads to the newest
    await newer.click()
    await shows(page, "comment 299")
    assert await page.locator(".comments .row").count() == ROWS


async def settled(page: Page) -> Any:
    """Where the list stands when it scrolls no more."""
    places: list[Any] = []

    async def stands_still() -> bool:
        places.append(await page.evaluate(READ_PLACE))
        await page.evaluate("new Promise(requestAnimationFrame)")
        return len(places) > 20 and all(place == places[-1] for place in places[-20:])

    await until(stands_still)
    return places[-1]


async def speak(stage: RoomStage, first: int, last: int) -> None:
    """Comments of the host, one after the other: at most 20 a second, as fast as one may ask."""
    for number in range(first, last):
        await asyncio.gather(stage.speak(f"comment {number}"), asyncio.sleep(0.05))
