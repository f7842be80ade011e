"""A line in the console: from its terms to the last count; in Chromium, on the real service."""

import json
from pathlib import Path

from playwright.async_api import expect

from livesale.ledger.writer import Writer
from livesale.line.keeper import LineKeeper
from tests.command import Run, succeeded
from tests.livesale.api import FAR_MS, Api
from tests.livesale.console.conftest import OpenScreen
from tests.livesale.console.screen import WAIT_MS
from tests.livesale.line.test_line import PEOPLE, is_joinable, join, look, reserve, ticket
from tests.livesale.stage import running
from tests.waiting import until

PANEL = "[data-line-panel]"
_FORCE = """async (path) => {
    const session = await (await fetch('/v1/operator/session')).json()
    const headers = {'X-CSRF-Token': session.csrf, 'Content-Type': 'application/json'}
    const answer = await fetch(path, {method: 'POST', headers, body: '{}'})
    return (await answer.json()).code
}"""


async def test_a_line_from_its_terms_to_the_last_count(
    api: Api, open_tab: OpenScreen, livesale: Run, tmp_path: Path
) -> None:
    async with running(Writer(api.deployment)), running(LineKeeper(api.deployment)):
        # given a draft that sells to whoever is quickest
        drop = await api.create_drop(allotted=3, buyer_limit=1, opens_ms=FAR_MS - 1)
        drop_id, path = drop["drop_id"], f"/v1/admin/drops/{drop['drop_id']}"
        screen = await open_tab()
        page, panel = screen.page, screen.page.locator(PANEL)
        await screen.come("olga", "owner")
        await page.click('[data-nav="prepare"]')
        await page.click(f'[data-campaign="{drop["campaign_id"]}"] a')
        await expect(page.locator('[data-light="lines"]')).to_have_attribute("data-level", "go")
        await page.click(f'[data-draft="{drop_id}"] a')
        await expect(panel).to_have_attribute("data-line-state", "none")
        await page.click('[data-deed="line-begin"]')
        # when a turn is longer than the service takes, then the page says so
        await page.fill('[name="line-turn"]', "700")
        await expect(panel.locator(".fault").first).to_have_text("1 to 600")
        await expect(page.locator('[data-deed="line-put"]')).to_be_disabled()
        # when it is right, then it says what it does, and the commands that do the same
        await page.fill('[name="line-turn"]', "2")
        await page.fill('[name="line-rate"]', "1000")
        await expect(panel.locator(".queue-about")).to_contain_text("Each gets a turn of 2.0 s")
        command = panel.locator(".command").last
        await expect(command).to_contain_text(f"livesale call POST {path}/line")
        await page.click('[data-deed="line-put"]')
        await expect(panel).to_have_attribute("data-line-state", "draft")
        # and one tap takes all of it back
        await page.click('[data-deed="undo"]')
        await expect(panel).to_have_attribute("data-line-state", "none")

        async def is_as_before() -> bool:
            found = (await api.get(path, by=api.viewer)).body
            return not found["ticket_required"]

        await until(is_as_before)
        # when it is put there again
        await page.click('[data-deed="line-begin"]')
        await page.fill('[name="line-turn"]', "2")
        await page.fill('[name="line-rate"]', "1000")
        await page.click('[data-deed="line-put"]')
        await expect(panel).to_have_attribute("data-line-state", "draft")
        # then somebody with a lesser role sees it, and changes nothing, even by force
        other = await open_tab()
        await other.come("fred", "finance")
        await expect(other.page.locator('[data-nav="account"]')).to_be_visible()
        await other.page.goto(f"{api.url}/console#/drops/{drop_id}")
        await expect(other.page.locator(PANEL)).to_have_attribute("data-line-state", "draft")
        await expect(other.page.locator(f"{PANEL} button")).to_have_count(0)
        assert await other.page.evaluate(_FORCE, f"{path}/line") == "forbidden"
        assert other.mistakes(403) == []

        # when the drop is scheduled, and people come
        found = (await api.get(path, by=api.viewer)).body
        opens_ms = await api.deployment.engine.now_ms() + 3_000
        times = {"version": found["version"], "opens_ms": opens_ms}
        assert (await api.post(path, times, by=api.boss)).status == 200
        assert (await api.post(f"{path}/open", by=api.boss)).status == 200
        # at once, not when the keeper looks
        terms = {"turn_ms": 2_000, "rate_per_s": 1_000}
        assert (await api.post(f"{path}/line", terms, by=api.boss)).status == 200
        await is_joinable(api, drop_id)
        for name in PEOPLE[:9]:
            await join(api, drop_id, name)
        # then they are seen, with what they are told; nobody may change the terms
        await expect(panel).to_have_attribute("data-line-state", "gathering")
        await expect(panel.locator('[data-queue="waiting"] b')).to_have_text("9")
        await expect(panel.locator(".queue-told")).to_contain_text("Everybody")
        await expect(panel.locator('[data-deed="line-begin"]')).to_have_count(0)
        # and when it opens, one buys, and the others let their turns pass
        await expect(panel).to_have_attribute("data-line-state", "open")

        async def bought() -> bool:
            for name in PEOPLE[:9]:
                place = (await look(api, drop_id, name)).body
                if place["standing"] == "turn":
                    text = (await ticket(api, drop_id, name)).body.get("ticket", "")
                    return (await reserve(api, drop_id, name, text)).status == 201
            return False

        await until(bought)
        await expect(panel.locator('[data-queue="bought"] b')).to_have_text("1")
        await expect(panel.locator('[data-queue="missed"] b')).to_have_text("8", timeout=WAIT_MS)
        await expect(panel.locator('[data-queue="missed"]')).to_contain_text("89 %")
        # and what was published holds: in the page, and by the command on the file
        await page.click('[data-deed="line-check"]')
        await expect(panel.locator("[data-verdict]")).to_have_attribute("data-verdict", "good")
        async with page.expect_download() as saved:
            await page.click('[data-deed="line-download"]')
        file = tmp_path / (await saved.value).suggested_filename
        await (await saved.value).save_as(file)
        record = json.loads(file.read_text())
        said = await panel.locator(".command").last.inner_text()
        assert said.split() == [
            *("livesale", "line", "check", file.name, "--commitment", record["commitment"])
        ]
        succeeded(livesale("line", "check", str(file), "--commitment", record["commitment"]))
        # when the sale is closed, then the line is gone, and the last count stays
        assert (await api.post(f"{path}/close", by=api.boss)).status == 200
        await expect(panel).to_have_attribute("data-line-state", "gone")
        await expect(panel.locator('[data-queue="bought"] b')).to_have_text("1")
        assert screen.wrong == []
