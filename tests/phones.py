"""A phone for tests: the system's Chromium, a page in it, and what that page complained of."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Browser, Page, async_playwright, expect

from scripts.chromium import chromium

# Refusals are answers: the browser calls each of them an error, the page shows what it means.
ANSWERED = re.compile(r"responded with a status of 4\d\d")
SIZE: Any = {"width": 390, "height": 844}
# A script that makes an error of whatever the policy of a page refuses.
TELL_VIOLATIONS = (
    "addEventListener('securitypolicyviolation', e => console.error(`CSP ${e.violatedDirective}`))"
)


class Phone:
    """One person's browser: storage, login and page of its own."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: said.type == "error" and self._hear(said.text))

    def _hear(self, text: str) -> None:
        if not ANSWERED.search(text):
            self.complaints.append(text)

    async def close(self) -> None:
        await self.page.context.close()


OpenPhone = Callable[..., Awaitable[Phone]]


@asynccontextmanager
async def open_browser(*flags: str) -> AsyncIterator[Browser]:
    async with async_playwright() as tools:
        browser = await tools.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", *flags]
        )
        yield browser
        await browser.close()


async def open_phone(browser: Browser, *, language: str = "en-GB", **options: Any) -> Phone:
    """A new phone; `options` are those of a Playwright context."""
    context = await browser.new_context(viewport=SIZE, locale=language, **options)
    return Phone(await context.new_page())


@asynccontextmanager
async def phones(*flags: str) -> AsyncIterator[OpenPhone]:
    """Opens phones in one browser, which ends with the block."""
    async with open_browser(*flags) as browser:

        async def open_one(**options: Any) -> Phone:
            return await open_phone(browser, **options)

        yield open_one


async def buy_in_room(page: Page, wait_ms: float = 20_000) -> None:
    """Take one unit of the pinned item; returns when the page says that it is theirs."""
    await page.locator(".pinned").get_by_text("Buy now").click(timeout=wait_ms)
    sheet = page.locator(".sheet")
    await sheet.get_by_text("Buy now").click()
    await expect(sheet.get_by_text("It is yours", exact=True)).to_be_visible(timeout=wait_ms)
    await sheet.get_by_label("Close").click()
