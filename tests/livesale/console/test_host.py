"""A host runs a show from a phone: in Chromium, on the real service, with its keeper."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect
from redis.asyncio import Redis

from livesale.app import PARTS
from livesale.resources import Deployment
from livesale.rooms.bags.keeper import BagKeeper
from livesale.rooms.keeper import RoomKeeper
from livesale.rooms.service import Rooms
from tests.livesale.api import FAR_MS, Api
from tests.livesale.console.conftest import OpenScreen
from tests.livesale.console.screen import WAIT_MS
from tests.livesale.rooms.bags.test_bags import be_time
from tests.livesale.rooms.conftest import Show
from tests.livesale.stage import open_stage, running
from tests.servers import Valkey
from tests.waiting import until

HEARTBEAT_MS = 2_400
# The tab is hidden for so many times the silence that ends a show. Ten minutes are twenty times
# the default of 30 s; `make soak` waits for twenty here, too.
MISSED = (4, pytest.param(20, marks=pytest.mark.soak))
PEOPLE_MS = 200
HIDE = """() => {
    Object.defineProperty(document, 'visibilityState', {get: () => 'hidden'})
    Object.defineProperty(document, 'hidden', {get: () => true})
    document.dispatchEvent(new Event('visibilitychange'))
}"""


@pytest.fixture
async def stage(
    redis: Redis, redis_server: Valkey, sqlite_url: str, tmp_path: Path
) -> AsyncIterator[Deployment]:
    flags = {"live__heartbeat_ms": HEARTBEAT_MS, "live__people_ms": PEOPLE_MS}
    async with open_stage(redis, redis_server.url, sqlite_url, tmp_path, **flags) as stage:
        yield stage


class Room:
    """A room in which nothing has happened yet."""

    def __init__(self, api: Api, room_id: str) -> None:
        self.api = api
        self.room_id = room_id
        self.path = f"/v1/rooms/{room_id}"

    @classmethod
    async def make(cls, api: Api, title: str = "Tea time") -> "Room":
        body = {"title": title, "host": "host", "starts_ms": FAR_MS}
        made = await api.post("/v1/rooms", body, by=api.boss)
        return cls(api, made.body["room_id"])

    async def drop(self, title: str, **terms: Any) -> str:
        """A draft of the room, on its shelf."""
        sku = await self.api.post(
            "/v1/admin/skus", {"title": title, "price_fen": 1_990}, by=self.api.boss
        )
        made = await self.api.create_drop(sku_id=sku.body["sku_id"], **terms)
        drop_id = str(made["drop_id"])
        put = await self.api.ask("PUT", f"{self.path}/drops/{drop_id}", by=self.api.boss)
        assert put.status == 200, put.body
        return drop_id

    async def shelve(self, drop_id: str) -> str:
        new = {"drop_id": drop_id, "state": "visible"}
        made = await self.api.post(f"{self.path}/items", new, by=self.api.boss)
        assert made.status == 201, made.body
        return str(made.body["item_id"])

    async def say(self, text: str, buyer: str = "ann") -> Any:
        return await self.api.post(
            f"{self.path}/comments", {"text": text}, by=self.api.buyer(buyer)
        )

    async def state(self) -> str:
        return str((await self.api.app[PARTS][Rooms].find(self.room_id)).state)

    async def pinned(self) -> str | None:
        found: str | None = (await self.api.get(self.path)).body["pinned"]
        return found

    async def titles(self) -> list[str]:
        shelf = await self.api.get(f"{self.path}/items")
        return [item["title"] for item in shelf.body["items"]]


async def test_a_host_runs_a_show_from_a_phone(api: Api, open_tab: OpenScreen) -> None:
    # given a room with two drops on its shelf, and a host with a phone
    room = await Room.make(api)
    green, black = await room.drop("Green", allotted=12), await room.drop("Black")
    items = {name: await room.shelve(drop) for name, drop in (("Green", green), ("Black", black))}
    loose = await room.drop("White")
    screen = await open_tab(390)
    page = screen.page
    await screen.come("rosa", "room")
    await page.click('[data-nav="host"]')
    # then the room is in the list, and its panel fits the phone
    await page.click(f'[data-room="{room.room_id}"]')
    await expect(page.locator(".host-head")).to_have_attribute(
        "data-state", "scheduled", timeout=WAIT_MS
    )
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    first = page.locator(f'[data-item="{items["Green"]}"]')
    second = page.locator(f'[data-item="{items["Black"]}"]')
    # and nothing is sold before the show
    await expect(first.locator('[data-deed="arm"]')).to_be_disabled()
    async with running(RoomKeeper(api.deployment)), running(BagKeeper(api.deployment)):
        # when the show begins
        await page.click('[data-deed="start"]')
        await expect(page.locator(".host-head")).to_have_attribute(
            "data-state", "live", timeout=WAIT_MS
        )
        # then it is hosted from here
        await expect(page.locator('[data-deed="host"]')).to_have_attribute("aria-pressed", "true")
        await expect(page.locator('[data-host-line="socket"]')).to_be_visible(timeout=WAIT_MS)

        # when the second item is dragged above the first
        grip, above = second.locator(".shelf-grip"), first.locator(".shelf-grip")
        start, end = await grip.bounding_box(), await above.bounding_box()
        assert start is not None and end is not None
        await page.mouse.move(start["x"] + 10, start["y"] + 10)
        await page.mouse.down()
        await page.mouse.move(end["x"] + 10, end["y"] + 30, steps=4)
        await page.mouse.move(end["x"] + 10, end["y"] - 20, steps=4)
        await page.mouse.up()
        # then viewers see that order, and the keys of the grip change it back
        await until(lambda: _is(room.titles(), ["Black", "Green"]))
        await expect(page.locator(".shelf-item").first).to_contain_text("Black")
        await above.focus()
        await page.keyboard.press("ArrowUp")
        await until(lambda: _is(room.titles(), ["Green", "Black"]))
        # when a drop that is not on the shelf is put there, hidden and shown again
        await page.locator(".shelf-row").filter(has_text="White").locator("button").click()
        await until(lambda: _is(room.titles(), ["Green", "Black", "White"]))
        third = page.locator(".shelf-item").filter(has_text="White")
        await third.locator('[data-deed="hide"]').click()
        await until(lambda: _is(room.titles(), ["Green", "Black"]))
        await expect(third.locator('[data-deed="pin"]')).to_be_disabled()

        # when an item is pinned
        await first.locator('[data-deed="pin"]').click()
        await expect(first).to_have_class("shelf-item pinned", timeout=WAIT_MS)
        await until(lambda: _is(room.pinned(), items["Green"]))
        # and its drop is armed, then it does not sell yet, and what will happen is said in numbers
        await first.locator('[data-deed="arm"]').click()
        await expect(first.locator(".effect")).to_contain_text("12 units go on sale at ¥19.90")
        assert (await api.reserve(green)).code in ("not_open", "unknown_drop")
        # when it is let go, by a double click
        await first.locator('[data-deed="go"]').dblclick()
        # then it counts down by the service's clock, and sells
        await expect(first.locator("[data-countdown]")).to_contain_text("3", timeout=WAIT_MS)
        await expect(first).to_have_attribute("data-phase", "open", timeout=WAIT_MS)
        assert (await api.reserve(green, quantity=2)).status == 201
        await expect(first).to_contain_text("10 / 12", timeout=WAIT_MS)
        # when it is restocked
        await first.locator('[data-deed="restock"]').click()
        await page.fill('[name="units"]', "5")
        await page.fill('[name="reason"]', "one more box")
        await page.locator('.el-dialog:visible [data-deed="send"]').dblclick()
        # then the units come once
        await expect(first).to_contain_text("15 / 17", timeout=WAIT_MS)
        assert (await api.books(green))["redis"]["available"] == 15
        assert (await api.books(loose))["redis"]["allotted"] == 0
        # when it is stopped, then nobody buys; and undone, they do
        await first.locator('[data-deed="stop"]').click()
        await expect(first).to_have_attribute("data-phase", "paused", timeout=WAIT_MS)
        assert (await api.reserve(green, "bob")).code == "paused"
        await page.locator('[data-deed="undo"]').last.click()
        await expect(first).to_have_attribute("data-phase", "open", timeout=WAIT_MS)

        # when somebody says something, and likes it
        await room.say("buy at my shop")
        await api.post(f"{room.path}/likes", {"count": 7}, by=api.buyer())
        await expect(page.locator("[data-likes]")).to_have_text("7", timeout=WAIT_MS)
        await page.click('[data-tab="comments"]')
        comment = page.locator(".comment").filter(has_text="buy at my shop")
        # then a tap on it mutes who said it
        await comment.click()
        await page.fill('.el-dialog:visible [name="reason"]', "advertises")
        await page.locator('.el-dialog:visible [data-deed="send"]').click()
        await screen.sees("Muted Viewer", ".notice")
        assert (await room.say("again")).code == "muted"
        await expect(comment).to_contain_text("muted", timeout=WAIT_MS)
        # and the list says until when, by whom and why; and ends it
        await page.click('[data-deed="barred"]')
        barred = page.locator('[data-barred="mute"]')
        await expect(barred).to_contain_text("advertises", timeout=WAIT_MS)
        await expect(barred).to_contain_text("rosa")
        await barred.locator('[data-deed="lift"]').click()
        await expect(barred).to_have_count(0, timeout=WAIT_MS)
        await until(lambda: _is(_status(room.say("sorry")), 201))
        # when it is deleted, and all are muted
        await page.locator(".host-comments .chip").first.click()
        await comment.click()
        await page.locator('.el-dialog:visible [data-deed="delete"]').click()
        await expect(comment).to_have_count(0, timeout=WAIT_MS)
        await page.click('[data-deed="mute-all"]')
        await screen.sees("All muted", ".host-comments")
        # then nobody but the team comments, until that is taken back
        await until(lambda: _is(_code(room.say("hello")), "room_muted"))
        await page.click('[data-deed="mute-all"]')
        await until(lambda: _is(_status(room.say("hello")), 201))
        # when somebody is banned
        await page.locator(".comment").filter(has_text="hello").first.click()
        await page.click('[data-kind="ban"]')
        await expect(page.locator(".el-dialog:visible .effect")).to_contain_text("leaves at once")
        await page.locator('.el-dialog:visible [data-deed="send"]').click()
        await until(lambda: _is(_code(room.say("let me in")), "banned"))

        # when a lucky bag is made
        await page.click('[data-tab="bag"]')
        await page.click('[data-deed="make-bag"]')
        await expect(page.locator('[data-deed="start-bag"]')).to_be_disabled()
        await page.fill('[name="bag-title"]', "Luck for one")
        await page.fill('[name="places"]', "1")
        await page.fill('[name="coupon"]', "¥20 off")
        await expect(page.locator('[data-form="bag"] .effect')).to_contain_text("draws 1 winners")
        await page.click('[data-deed="start-bag"]')
        await expect(page.locator('[data-bag="open"]')).to_be_visible(timeout=WAIT_MS)
        # then viewers take part, and it is drawn at its time
        bag_id = (await api.get(f"{room.path}/bags")).body["bags"][0]["bag_id"]
        entry = await api.post(f"{room.path}/bags/{bag_id}/entries", by=api.buyer("cat"))
        assert entry.status == 201, entry.body
        await expect(page.locator('[data-bag="open"]')).to_contain_text(
            "1 take part", timeout=WAIT_MS
        )
        await be_time(Show(api, room.room_id, None), bag_id)  # type: ignore[arg-type]
        await expect(page.locator('[data-bag="drawn"]')).to_be_visible(timeout=WAIT_MS)
        await expect(page.locator(".winners li")).to_contain_text(
            entry.body["entry_id"], timeout=WAIT_MS
        )

        await expect(page.locator('[data-deed="make-bag"]')).to_be_visible()
        # and the stream says that there is none yet
        await page.click('[data-tab="stream"]')
        await expect(page.locator('[data-stream="none"]')).to_be_visible()
        # when the show ends, which says first what happens to whom
        await page.click('[data-deed="end"]')
        await expect(page.locator(".el-dialog:visible .effect")).to_contain_text(
            "1 drops go on selling"
        )
        await page.fill('.el-dialog:visible [name="typed"]', "Tea time")
        await page.locator('.el-dialog:visible [data-deed="send"]').click()
        await expect(page.locator('[data-standing="over"]')).to_be_visible(timeout=WAIT_MS)
        assert await room.state() == "ended"
    assert screen.mistakes(409, 410) == []


@pytest.mark.parametrize("missed", MISSED)
async def test_a_room_stays_live_while_the_hosts_tab_is_hidden(
    api: Api, open_tab: OpenScreen, missed: int
) -> None:
    # given a room that is hosted from a browser, and nobody else's heartbeat
    room = await Room.make(api)
    screen = await open_tab(390)
    page = screen.page
    await page.clock.install()
    await screen.come("rosa", "room")
    await page.click('[data-nav="host"]')
    await page.click(f'[data-room="{room.room_id}"]')
    await page.click('[data-deed="start"]')
    await expect(page.locator('[data-host-line="socket"]')).to_be_visible(timeout=WAIT_MS)
    # when the tab is hidden and its timers stand still, as in a phone's background
    await page.evaluate("window.__ticks = 0; setInterval(() => __ticks += 1, 20)")
    await until(lambda: page.evaluate("__ticks > 3"))
    await page.clock.pause_at(await page.evaluate("Date.now() / 1000 + 1"))
    await page.evaluate(HIDE)
    ticks = await page.evaluate("__ticks")
    states: set[str] = set()
    began_ms = await api.deployment.engine.now_ms()

    async def is_missed_often_enough() -> bool:
        states.add(await room.state())
        return await api.deployment.engine.now_ms() - began_ms > missed * HEARTBEAT_MS

    async with running(RoomKeeper(api.deployment)):
        await until(is_missed_often_enough)
        # then it was live all the time
        assert states == {"live"}
        # and that without the page's own timers
        assert await page.evaluate("__ticks") == ticks
        # and when the tab is closed, the host is missed: nothing else kept the room on the air
        await page.close()
        await until(lambda: _is(room.state(), "abnormal"))


async def _is(asked: Any, wanted: Any) -> bool:
    return bool(await asked == wanted)


async def _status(asked: Any) -> int:
    return int((await asked).status)


async def _code(asked: Any) -> str:
    reply = await asked
    return str(reply.code) if reply.status >= 400 else ""
