"""An operator's browser: Chromium on the real service, which keeps what went wrong in the page."""

from playwright.async_api import BrowserContext, Page, expect

from tests.livesale.api import Api
from tests.livesale.identity.operators.person import new_link
from tests.phones import TELL_VIOLATIONS

WAIT_MS = 15_000
expect.set_options(timeout=WAIT_MS)


class Screen:
    """One tab. `wrong` has every error of the page: of scripts, of loading, of the policy."""

    def __init__(self, api: Api, page: Page) -> None:
        self.api = api
        self.page = page
        self.wrong: list[str] = []
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("console", lambda said: said.type == "error" and self.wrong.append(said.text))

    def mistakes(self, *statuses: int) -> list[str]:
        """What went wrong, without answers of these statuses, which a test has asked for.

        The policy's violations are always among it."""
        asked = [f"the server responded with a status of {status} " for status in statuses]
        asked += [f"Unexpected response code: {status}" for status in statuses]
        return [text for text in self.wrong if not any(part in text for part in asked)]

    async def come(self, name: str, *roles: str, **more: str) -> None:
        """Add an operator, who opens the link."""
        new = {"name": name, "roles": list(roles)} | more
        assert (await self.api.post("/v1/admin/operators", new, by=self.api.boss)).status == 201
        link = await new_link(self.api, name)
        await self.page.goto(f"{self.api.url}/console#login={link}")

    async def sees(self, text: str, within: str = "body") -> None:
        found = self.page.locator(within).filter(has_text=text).first
        await expect(found).to_be_visible(timeout=WAIT_MS)

    def drop(self, drop_id: str, deed: str = "") -> str:
        """The selector of a drop's row, or of one of its buttons."""
        row = f'[data-drop="{drop_id}"]'
        return f'{row} [data-deed="{deed}"]' if deed else row


async def open_screen(context: BrowserContext, api: Api) -> Screen:
    await context.add_init_script(TELL_VIOLATIONS)
    page = await context.new_page()
    page.set_default_timeout(WAIT_MS)
    return Screen(api, page)
