"""Stored scripts: every screen of operators and buyers shows them as text, and runs none."""

import asyncio
import json
import re

from playwright.async_api import Page, expect

from livesale.ledger.writer import Writer
from livesale.rooms.keeper import RoomKeeper
from scripts.console import CONSOLE
from scripts.faces import FACES
from tests.livesale.api import Api
from tests.livesale.console.conftest import OpenScreen
from tests.livesale.console.hostile import FILE, NAME, Hostile
from tests.livesale.console.screen import WAIT_MS, Screen
from tests.livesale.identity.operators.person import new_link
from tests.livesale.stage import running

AS_TEXT = re.compile("onerror=window.__ran|onload=window.__ran")
_PATHS = re.compile(r"path: '(/[^']*)'")
ROWS = f"订单号,快递公司,快递单号\n{NAME},SF,1\n"


def console_paths(shop: Hostile) -> list[str]:
    """Every address of the console's router, with ids. A new one with an id must be named here."""
    of_ids = {
        "/drops/:id": [f"/drops/{shop.drop_id}"],
        "/orders/:id": [f"/orders/{shop.order_id}"],
        "/host/:id": [f"/host/{shop.room_id}"],
        "/prepare/:id": [f"/prepare/{shop.campaign_id}"],
        "/stock/:id": [f"/stock/{shop.sku_id}"],
        "/results/:kind(campaign|room)/:id": [
            f"/results/room/{shop.room_id}",
            f"/results/campaign/{shop.campaign_id}",
        ],
    }
    found = _PATHS.findall((CONSOLE / "src/router.ts").read_text())
    paths = [path for path in found if ":rest" not in path]
    assert len(paths) > 8
    return [each for path in paths for each in (of_ids[path] if ":" in path else [path])]


def shop_pages(shop: Hostile) -> list[str]:
    """Every page of the buyer's face, asked for each thing that a page may be of."""
    pages = json.loads((FACES / "buyer/src/pages.json").read_text())
    groups = [(page["path"] for page in pages["pages"])]
    groups += [
        (f"{part['root']}/{page['path']}" for page in part["pages"])
        for part in pages.get("subPackages", [])
    ]
    things = {
        "room": shop.room_id,
        "order": shop.order_id,
        "product": shop.product_id,
        "drop": shop.drop_id,
        "case": shop.case_id,
    }
    found = []
    for path in [path for group in groups for path in group]:
        kind = next((name for name in things if f"/{name}" in path), "room")
        found.append(f"{path}?id={things[kind]}&room={shop.room_id}&order={shop.order_id}")
    return found


async def ran(page: Page) -> bool:
    return bool(
        await page.evaluate("window.__ran === 1 || document.querySelector('svg[onload]') !== null")
    )


async def open_everything(screen: Screen) -> None:
    """What a screen hides until a tap: rows of the log, tabs, lists."""
    page = screen.page
    for opener in ("tr.tap", '[data-deed="barred"]', '[data-deed="revoke"]', '[data-tab="bag"]'):
        found = page.locator(opener)
        for at in range(min(await found.count(), 12)):
            if await found.nth(at).is_visible():
                await found.nth(at).click()
    dialogs = page.locator(".el-dialog__headerbtn")
    if await dialogs.count() and await dialogs.first.is_visible():
        await dialogs.first.click()


async def test_no_stored_script_runs_on_any_screen(api: Api, open_tab: OpenScreen) -> None:
    # given a shop all of whose texts are scripts
    shop = Hostile(api)
    async with running(Writer(api.deployment)), running(RoomKeeper(api.deployment)):
        await shop.fill()
        screen = await open_tab()
        page = screen.page
        await page.goto(f"{api.url}/console#login={await new_link(api, 'otto')}")
        await expect(page.locator(screen.drop(shop.drop_id))).to_contain_text(
            AS_TEXT, timeout=WAIT_MS
        )
        # when the owner looks at every screen of the console
        shown = 0
        for path in console_paths(shop):
            await page.goto(f"{api.url}/console/#{path}")
            await expect(page.locator("main").first).to_be_visible(timeout=WAIT_MS)
            await page.wait_for_load_state("networkidle")
            await open_everything(screen)
            shown += bool(AS_TEXT.search(await page.locator("body").inner_text()))
            # then no script runs, whatever was written
            assert not await ran(page), path
        # and the texts were there to be seen, on most screens
        assert shown >= 7
        # when a file with such a name ships orders, and a drop of such a title is looked for
        await page.goto(f"{api.url}/console/#/orders")
        file = {"name": FILE, "mimeType": "text/csv", "buffer": ROWS.encode()}
        await page.set_input_files('input[type="file"]', file)  # type: ignore[arg-type]
        await expect(page.locator(".notice")).to_contain_text(AS_TEXT, timeout=WAIT_MS)
        await page.keyboard.press("Control+k")
        await page.fill('[name="palette"]', "img")
        await expect(page.locator(".palette .entry").first).to_contain_text(AS_TEXT)
        assert not await ran(page)
        # then the page has not complained once, by its policy neither
        assert screen.wrong == []

        # when a buyer looks at every page of the shop
        buyer = await open_tab(390)
        for path in ("", *shop_pages(shop)):
            await buyer.page.goto(f"{api.url}/shop/#/{path}")
            await expect(buyer.page.locator("uni-page-body").first).to_be_visible(timeout=WAIT_MS)
            await buyer.page.wait_for_load_state("networkidle")
            assert not await ran(buyer.page), path
        room = f"{api.url}/shop/#/pages/room/index?id={shop.room_id}"
        await buyer.page.goto(room)
        await expect(buyer.page.locator("body")).to_contain_text(AS_TEXT, timeout=WAIT_MS)
        assert not await ran(buyer.page)
        assert [text for text in buyer.wrong if "Content Security" in text or "CSP" in text] == []
        await asyncio.gather(page.close(), buyer.page.close())
