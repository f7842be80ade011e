"""Somebody with a phone: a tab of Chromium on the real service, and what its page complained of."""

import re
from typing import Any

from playwright.async_api import BrowserContext, ConsoleMessage, Locator, Page, expect

from scripts import faces
from tests.livesale.api import Api
from tests.phones import TELL_VIOLATIONS

WAIT_MS = 15_000
expect.set_options(timeout=WAIT_MS)
_AXE = faces.FACES / "node_modules/axe-core/axe.min.js"


class Shopper:
    """One tab. `complaints` has every error of the page: of scripts, of loading, of the policy."""

    def __init__(self, api: Api, page: Page) -> None:
        self.api = api
        self.page = page
        self.complaints: list[str] = []
        page.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._hear)

    def _hear(self, said: ConsoleMessage) -> None:
        """Chromium calls every refusal of the API an error, too: those are answers."""
        is_answer = "Failed to load resource" in said.text and "/v1/" in said.location["url"]
        if said.type == "error" and not is_answer:
            self.complaints.append(said.text)

    async def go(self, where: str) -> None:
        """Open a page by its address, as a link does."""
        await self.page.goto("about:blank")
        await self.page.goto(f"{self.api.url}/shop/#/pages/{where}")

    async def tap(self, name: str, *, within: str = "body", role: Any = "button") -> None:
        shown = self.page.locator(within).get_by_role(role, name=name)
        await shown.locator("visible=true").first.click()

    async def sees(self, text: str | re.Pattern[str], within: str = "body") -> None:
        found = self.page.locator(within).get_by_text(text).locator("visible=true").first
        await expect(found).to_be_visible(timeout=WAIT_MS)

    async def agree(self) -> None:
        """To what the page asks, also to the simulated bank."""
        await self.page.locator(".uni-modal__btn_primary").click()

    async def decline(self) -> None:
        await self.page.locator(".uni-modal__btn_default").click()

    def field(self, name: str) -> Locator:
        return self.page.get_by_label(name, exact=True).locator("visible=true").first

    @property
    def sheet(self) -> Locator:
        return self.page.get_by_role("dialog")

    async def token(self) -> str:
        """Of the buyer whom this phone has logged in."""
        kept: Any = await self.page.evaluate("JSON.parse(localStorage.getItem('session'))")
        return str(kept["token"])

    async def serious_faults(self) -> list[str]:
        """What axe finds serious or critical on the page as it is now."""
        faces.install()
        await self.page.evaluate(_AXE.read_text())
        found: Any = await self.page.evaluate(
            "async () => (await axe.run({include: [['uni-page'], ['uni-tabbar']]},"
            " {resultTypes: ['violations']})).violations"
            ".filter(({impact}) => ['serious', 'critical'].includes(impact))"
            ".map(({id, nodes}) => `${id}: ${nodes.map(({html}) => html).join(' | ')}`)"
        )
        return list(found)


async def open_shopper(context: BrowserContext, api: Api) -> Shopper:
    await context.add_init_script(TELL_VIOLATIONS)
    return Shopper(api, await context.new_page())
