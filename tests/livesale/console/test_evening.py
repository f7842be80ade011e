"""An operator sees a sale and acts on it: with Chromium, on the real service."""

import re

from playwright.async_api import expect

from tests.livesale.api import Api
from tests.livesale.console.conftest import OpenScreen
from tests.livesale.console.screen import WAIT_MS
from tests.livesale.identity.operators.person import PASSWORD, code_of

STORED = "<img src=x onerror=alert(1)>"


async def test_an_operator_pauses_undoes_restocks_once_and_closes(
    api: Api, open_tab: OpenScreen
) -> None:
    # given a drop with a hold, and an operator who opens a one-time link
    drop_id = await api.open_drop(allotted=10)
    assert (await api.reserve(drop_id, quantity=2)).status == 201
    screen = await open_tab()
    page = screen.page
    await screen.come("olga", "sale")
    row = page.locator(screen.drop(drop_id))
    # then the figures are live, those of the books, and the link is gone from the address
    await expect(row).to_contain_text("8left", timeout=WAIT_MS)
    await expect(row).to_contain_text("2 held")
    await expect(row).to_contain_text("Tea", timeout=WAIT_MS)
    await expect(page.locator('[data-line="socket"]')).to_be_visible()
    assert "login" not in page.url
    # and what a seller may not do is not shown
    await expect(page.locator('[data-nav="people"]')).to_have_count(0)
    await expect(page.locator('[data-nav="log"]')).to_have_count(0)

    # when the drop is paused by one tap
    await page.click(screen.drop(drop_id, "pause"))
    # then nobody can buy, and the command is shown
    await screen.sees(f"livesale drop pause {drop_id}", ".notice")
    await expect(row).to_contain_text("Paused", timeout=WAIT_MS)
    assert (await api.reserve(drop_id, "bob")).code == "paused"
    # when that is undone
    await page.click('[data-deed="undo"]')
    # then it sells again
    await expect(row).to_contain_text("Selling", timeout=WAIT_MS)
    assert (await api.reserve(drop_id, "bob")).status == 201

    # when it is restocked by a double click
    await page.click(screen.drop(drop_id, "restock"))
    await page.fill('[name="delta"]', "5")
    await page.fill('[name="reason"]', "found")
    await expect(page.locator(".el-dialog .effect")).to_contain_text("7 → 12")
    await page.dblclick('.el-dialog [data-deed="send"]')
    # then the units come once
    await expect(row).to_contain_text("12left", timeout=WAIT_MS)
    await expect(page.locator(".el-dialog")).to_have_count(0)
    books = await api.books(drop_id)
    assert (books["redis"]["allotted"], books["redis"]["available"]) == (15, 12)

    # when it is closed
    await page.click(screen.drop(drop_id, "close"))
    effect = page.locator(".el-dialog .effect")
    # then it says first what happens to whom, and wants the title
    await expect(effect).to_contain_text(re.compile(r"12\s+units stop selling"))
    await expect(effect).to_contain_text(re.compile(r"3\s+held units may still be paid"))
    send = page.locator('.el-dialog [data-deed="send"]')
    await page.fill('[name="typed"]', "Te")
    await expect(send).to_be_disabled()
    await page.fill('[name="typed"]', "Tea")
    await send.click()
    await expect(row).to_contain_text("Closed", timeout=WAIT_MS)
    assert (await api.reserve(drop_id, "cleo")).code == "closed"

    # and its page shows both sides of the books
    await row.locator("a").click()
    await screen.sees("livesale drop books", ".panel")
    await expect(page.locator("[data-books]")).to_have_attribute("data-books", "agree")
    # and nothing went wrong in the page, by its policy neither
    assert screen.wrong == []


async def test_who_looks_on_sees_no_deeds_and_is_refused_if_forced(
    api: Api, open_tab: OpenScreen
) -> None:
    # given a drop whose title is a script, a viewer on a phone
    sku = {"title": STORED, "price_fen": 100}
    made = await api.post("/v1/admin/skus", sku, by=api.boss)
    drop_id = await api.open_drop(sku_id=made.body["sku_id"])
    screen = await open_tab(390, color_scheme="dark")
    page = screen.page
    await screen.come("vera", "viewer")
    # then the title is text, and there is nothing to press
    await screen.sees(STORED, screen.drop(drop_id))
    await expect(page.locator(f"{screen.drop(drop_id)} button")).to_have_count(0)
    # and nothing is wider than the phone
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    # and the log names who was added
    await page.click('[data-nav="log"]')
    await screen.sees("/v1/admin/operators", "tr")
    assert screen.wrong == []
    # when the deed is forced
    forced = await page.evaluate(
        """async (path) => {
            const session = await (await fetch('/v1/operator/session')).json()
            const headers = {'X-CSRF-Token': session.csrf, 'Content-Type': 'application/json'}
            return (await fetch(path, {method: 'POST', headers, body: '{}'})).status
        }""",
        f"/v1/admin/drops/{drop_id}/pause",
    )
    # then it is refused
    assert forced == 403
    # when the session is revoked
    ended = await api.post("/v1/admin/operators/vera/revoke", by=api.boss)
    assert ended.status == 200
    # then the page asks for a login
    await page.click('[data-nav="cockpit"]')
    await screen.sees("Your session has ended")


async def test_figures_get_old_and_come_back_by_asking(api: Api, open_tab: OpenScreen) -> None:
    # given a screen that no socket reaches
    drop_id = await api.open_drop()
    screen = await open_tab()
    await screen.page.route_web_socket(re.compile("/cockpit/socket"), lambda socket: socket.close())
    await screen.come("rita", "viewer")
    # then it asks
    await expect(screen.page.locator('[data-line="polling"]')).to_be_visible(timeout=WAIT_MS)
    row = screen.page.locator(screen.drop(drop_id))
    await expect(row).to_contain_text("10left", timeout=WAIT_MS)
    # when no answer comes any more
    await screen.page.route(re.compile("/v1/admin/cockpit$"), lambda route: route.abort())
    # then the figures stay, and say that they are old
    await expect(screen.page.locator('[data-line="lost"]')).to_be_visible(timeout=WAIT_MS)
    await expect(screen.page.locator(".drop.stale")).to_have_count(1, timeout=WAIT_MS)
    await screen.sees("stale", ".tile .age")


async def test_a_person_comes_by_password_and_code(api: Api, open_tab: OpenScreen) -> None:
    """The account's page sets both, the login takes them."""
    screen = await open_tab()
    page = screen.page
    await screen.come("fay", "finance")
    await page.click('[data-nav="account"]')
    await page.fill('[autocomplete="new-password"]', PASSWORD)
    await page.click("form button.main")
    await screen.sees("Password set", ".notice")
    await page.get_by_text("Set up an authenticator").click()
    secret = await page.locator("form code.command").inner_text()
    await page.fill('[inputmode="numeric"]', code_of(secret))
    await page.get_by_role("button", name="Confirm").click()
    await screen.sees("The authenticator counts", ".notice")
    await page.click('[data-deed="logout"]')
    await page.fill('[name="name"]', "fay")
    await page.fill('[name="password"]', PASSWORD)
    await page.fill('[name="code"]', code_of(secret, 1))
    await page.click("form button.main")
    await expect(page.locator('[data-nav="refunds"]')).to_be_visible(timeout=WAIT_MS)
    assert [text for text in screen.wrong if "CSP" in text] == []
