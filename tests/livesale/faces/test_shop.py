"""A person buys in a browser: the built page, on the real service, in the system's Chromium."""

import shutil
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page, async_playwright, expect

from tests.livesale.api import Api

pytestmark = pytest.mark.slow
PHONE = {"width": 390, "height": 844}


class Browser:
    """One page, and what it complained of."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: said.type == "error" and self.complaints.append(said.text))


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    assert program, "chromium is missing: `make test` installs it"
    async with async_playwright() as tools:
        chromium = await tools.chromium.launch(executable_path=program, args=["--no-sandbox"])
        context = await chromium.new_context(viewport=PHONE, locale="en-GB")  # type: ignore[arg-type]
        yield Browser(await context.new_page())
        await chromium.close()


async def test_a_person_buys_and_pays(api: Api, browser: Browser) -> None:
    # Given a drop on sale
    drop_id = await api.open_drop(allotted=3)
    page = browser.page
    # When somebody opens the shop and buys
    await page.goto(f"{api.url}/shop")
    await page.locator(f'[data-drop="{drop_id}"]').click()
    await page.get_by_role("button", name="Buy now").click()
    # Then the sheet says what the limit leaves
    sheet = page.get_by_role("dialog")
    await expect(sheet.get_by_text("You can still take 3")).to_be_visible()
    # When two units are taken
    await sheet.get_by_role("button", name="More").click()
    await expect(sheet.get_by_text("¥39.80")).to_be_visible()
    await sheet.get_by_role("button", name="Buy now").click()
    await sheet.get_by_role("button", name="It is yours: pay now").click()
    # And paid at the simulated bank
    await expect(page.get_by_text("Pay within")).to_be_visible()
    await page.get_by_role("button", name="Pay ¥39.80").click()
    await page.locator(".uni-modal__btn_primary").click()
    # Then it is said only when the service has sold it
    await expect(page.get_by_text("Paid", exact=True)).to_be_visible(timeout=15_000)
    books = await api.get(f"/v1/admin/drops/{drop_id}/books", by=api.boss)
    assert (books.body["redis"]["sold"], books.body["redis"]["available"]) == (2, 1)
    # And nothing of the page broke its policy, or failed
    assert browser.complaints == []
