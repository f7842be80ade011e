"""The system's Chromium, as a phone, and what its page complained of."""

import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Page, async_playwright

REFUSED = re.compile(r"responded with a status of 4\d\d")  # an answer, not a fault
PHONE = {"width": 390, "height": 844}


class Browser:
    """One page, and what it complained of."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: said.type == "error" and self._hear(said.text))

    def _hear(self, text: str) -> None:
        if not REFUSED.search(text):
            self.complaints.append(text)


@asynccontextmanager
async def open_browser(**options: Any) -> AsyncIterator[Browser]:
    """`options` are those of a context, such as `user_agent`."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    assert program, "chromium is missing: `make test` installs it"
    async with async_playwright() as tools:
        chromium = await tools.chromium.launch(executable_path=program, args=["--no-sandbox"])
        context = await chromium.new_context(**{"viewport": PHONE, "locale": "en-GB"} | options)
        yield Browser(await context.new_page())
        await chromium.close()
