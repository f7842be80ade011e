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
from tests.livesale.stage import open_stage, running
from tests.servers import Valkey
from tests.waiting import until

HEARTBEAT_MS = 2_400
PEOPLE_MS = 200


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
    assert screen.wrong == []


async def _is(asked: Any, wanted: Any) -> bool:
    return bool(await asked == wanted)
