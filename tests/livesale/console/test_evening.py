"""An operator sees a sale and acts on it: with Chromium, on the real service."""

import re
from pathlib import Path

from PIL import Image
from playwright.async_api import Route, expect
from prometheus_client import CollectorRegistry
from sqlalchemy import func, select

from livesale.database.engine import snapshot
from livesale.ledger import tables
from livesale.ledger.writer import Writer
from livesale.operations.checks.keeper import CheckKeeper
from livesale.payments.gateway import RefundAnswer, RefundOrder, RefundState
from livesale.payments.keeper import Keeper
from livesale.payments.refund_sender import RefundSender
from livesale.payments.simulated import SimulatedGateway
from livesale.telemetry.workers import KeeperMetrics
from tests.livesale.api import Api
from tests.livesale.catalogue.drawn import picture
from tests.livesale.console.conftest import OpenScreen
from tests.livesale.console.screen import WAIT_MS, Screen
from tests.livesale.identity.operators.person import PASSWORD, code_of
from tests.livesale.orders.after import sell, tell_address
from tests.livesale.stage import running, until_written

AUDIT_MS = 60_000  # it is a process of its own, and waits until SQL has the log
STORED = "<img src=x onerror=alert(1)>"


async def lose_answer(route: Route) -> None:
    """The service gets the request; the page no answer."""
    await route.fetch()
    await route.abort()


class Bank(SimulatedGateway):
    """A gateway that cannot pay the first refund back, as if the account was closed."""

    refused = 0

    async def refund(self, order: RefundOrder) -> RefundAnswer:
        if not self.refused:
            self.refused += 1
            return RefundAnswer(RefundState.FAILED, detail="ACCOUNT_CLOSED")
        return await super().refund(order)

    async def query_refund(self, refund_no: str) -> RefundAnswer | None:
        return None


class Evening:
    """An operator, the page, and the service behind it."""

    def __init__(self, api: Api, screen: Screen) -> None:
        self.api = api
        self.stage = api.deployment
        self.screen = screen
        self.page = screen.page
        bank = Bank(self.stage.redis)
        self.sender = RefundSender(self.stage, bank, KeeperMetrics(CollectorRegistry()))
        self.drop_id = self.campaign_id = self.room_id = self.order_id = ""

    async def prepare(self) -> None:
        page = self.page
        await page.click('[data-nav="prepare"]')
        # given no writer, then the list is red
        await expect(page.locator('[data-light="writer"]')).to_have_attribute("data-level", "no_go")
        await page.click('[data-deed="new"]')
        # when goods, sale and times are filled in, with a picture
        await page.fill('[name="title-0"]', STORED)
        file = {"name": f"{STORED}.png", "mimeType": "image/png", "buffer": picture()}
        await page.set_input_files('[data-upload="0"]', files=[file])  # type: ignore[list-item]
        await expect(page.locator(".picture img")).to_have_count(1)
        await page.fill('[name="yuan-0-0"]', "19.9")
        await page.fill('[name="units-0-0"]', "2")
        await page.fill('[name="limit-0-0"]', "3")
        await page.fill('[name="opens"]', "2026-01-01T20:00")
        await page.click('[data-deed="save"]')
        # then what is missing is named, and nothing is made
        await self.screen.sees("Fields to change: 1", '[role="alert"]')
        await page.fill('[name="sale-title"]', "Friday evening")
        # and the preview has what a buyer will see
        preview = page.locator("[data-preview]")
        for text in (STORED, "¥19.90", "2 units, at most 3 each", "Friday evening"):
            await expect(preview).to_contain_text(text)
        # when the sale gets a room, and the answer to making it is lost
        await page.check('[name="has-room"]')
        await page.fill('[name="room-title"]', STORED)
        await page.fill('[name="host"]', "host1")
        await expect(preview).to_contain_text(STORED)
        await page.route("**/v1/rooms", lose_answer, times=1)
        await page.click('[data-deed="save"]')
        # then the page does not know, and lets nobody change what may be made already
        await self.screen.sees("nothing is made twice", ".effect")
        await expect(page.locator("form > section[inert]")).to_have_count(3)
        # when the same is sent again, then it goes on, and there is one of each
        await page.click('[data-deed="save"]')
        await expect(page).to_have_url(re.compile("/prepare/(?!new)"))
        self.campaign_id = page.url.rpartition("/")[2].partition("?")[0]
        by = self.api.boss
        [found] = (await self.api.get("/v1/admin/rooms", by=by)).body["rooms"]
        self.room_id = found["room"]["room_id"]
        assert found["room"]["cover_url"].startswith("/media/")
        shelf = await self.api.get(f"/v1/rooms/{self.room_id}/shelf", by=by)
        assert [item["image_url"][:7] for item in shelf.body["items"]] == ["/media/"]
        for path in ("campaigns", "products", "drops"):
            assert len((await self.api.get(f"/v1/admin/{path}", by=by)).body[path]) == 1, path
        await expect(page.locator("[data-draft]")).to_have_count(1)
        self.drop_id = str(await page.locator("[data-draft]").get_attribute("data-draft"))

    async def launch(self) -> None:
        page = self.page
        # given red, then nothing can be opened without a reason
        await expect(page.locator("[data-go]")).to_have_attribute("data-go", "no-go")
        deed = page.locator('[data-deed="launch"]')
        await expect(deed).to_be_disabled()
        # and the host opens the drops of a room, unless somebody chooses otherwise
        launch = page.locator("[data-launch]")
        await expect(launch).to_contain_text("No draft is chosen")
        await page.check(f'[data-draft="{self.drop_id}"] input[type="checkbox"]')
        await expect(launch).to_contain_text("no writer runs")
        await expect(launch).to_contain_text("no keeper runs")
        async with running(Writer(self.stage)), running(Keeper(self.stage)):
            # when writer and keeper are back, then it is green
            await expect(page.locator("[data-go]")).to_have_attribute("data-go", "go")
            await expect(page.locator('[name="reason"]')).to_have_count(0)
            await deed.click()
            await self.screen.sees(f"livesale drop open {self.drop_id}", ".notice")
            draft = page.locator(f'[data-draft="{self.drop_id}"]')
            await expect(draft).to_have_attribute("data-state", re.compile("open"))
            await until_written(self.stage)
            await self.pin()
            await self.sell()
            await self.stock()
            await self.ship()
            await self.send_back()
            await self.compare_books()
            await self.look_at_results()

    async def pin(self) -> None:
        """On the air: pinned by one tap, and taken back."""
        page = self.page
        await page.goto(f"{self.api.url}/console#/host/{self.room_id}")
        await page.click('[data-deed="start"]')
        await expect(page.locator(".host-head")).to_have_attribute("data-state", "live")
        item = page.locator(".shelf-item")
        await item.locator('[data-deed="pin"]').click()
        await expect(item).to_have_class(re.compile("pinned"))
        await self.screen.sees("/pin", ".notice")
        await page.click('[data-deed="undo"]')
        await expect(item).not_to_have_class(re.compile("pinned"))
        await item.locator('[data-deed="pin"]').click()
        await expect(item).to_have_class(re.compile("pinned"))
        shelf = await self.api.get(f"/v1/rooms/{self.room_id}/shelf", by=self.api.boss)
        assert shelf.body["pinned"] == shelf.body["items"][0]["item_id"]
        # and the list of rooms has it first, as the service knows, in another browser, too
        await page.evaluate("localStorage.removeItem('livesale.hosts')")
        await page.click('[data-nav="host"]')
        await expect(page.locator(".host-list section, .host-list .panel").first).to_contain_text(
            "Hosted by you"
        )

    async def stock(self) -> None:
        """Units come in once, whatever is tapped; no more is scrapped than there is."""
        page, api = self.page, self.api
        drop = (await api.get(f"/v1/admin/drops/{self.drop_id}", by=api.boss)).body
        path = f"/v1/admin/skus/{drop['sku_id']}"
        kept = await api.ask("PATCH", path, {"keeps_stock": True}, by=api.boss)
        assert kept.status == 200, kept.body
        await page.goto(f"{api.url}/console#/stock/{drop['sku_id']}")
        await page.fill('[name="units"]', "7")
        await page.fill('[name="note"]', STORED)
        await expect(page.locator(".effect")).to_contain_text("0 → 7")
        await page.dblclick('[data-deed="send"]')
        await self.screen.sees("/moves", ".notice")
        await expect(page.locator(".facts dd").first).to_contain_text("7")
        await page.select_option("select", "scrapped")
        await page.fill('[name="units"]', "8")
        await page.fill('[name="note"]', "broken")
        await page.click('[data-deed="send"]')
        await self.screen.sees("too_little_stock", ".notice")
        moves = (await api.get(f"/v1/admin/stock-moves?sku_id={drop['sku_id']}", by=api.boss)).body
        assert [move["units"] for move in moves["moves"]] == [7]

    async def sell(self) -> None:
        page, drop_id, api = self.page, self.drop_id, self.api
        await page.click('[data-nav="cockpit"]')
        row = page.locator(self.screen.drop(drop_id))
        # when it is paused by one tap, then nobody can buy, and the command is shown
        await page.click(self.screen.drop(drop_id, "pause"))
        await self.screen.sees(f"livesale drop pause {drop_id}", ".notice")
        await expect(row).to_contain_text("Paused")
        assert (await api.reserve(drop_id, "bob")).code == "paused"
        # when that is undone, then it sells again
        paused = page.locator(".notice").filter(has_text=f"livesale drop pause {drop_id}")
        await paused.locator('[data-deed="undo"]').click()
        await expect(row).to_contain_text("Selling")
        # when it is restocked by a double click, then the units come once
        await page.click(self.screen.drop(drop_id, "restock"))
        await page.fill('[name="delta"]', "3")
        await page.fill('[name="reason"]', "found")
        await expect(page.locator(".el-dialog .effect")).to_contain_text("2 → 5")
        await page.dblclick('.el-dialog [data-deed="send"]')
        await expect(row).to_contain_text("5left")
        await expect(page.locator(".el-dialog")).to_have_count(0)
        assert (await api.books(drop_id))["redis"]["allotted"] == 5
        # when all of it is bought, then it is sold out
        self.order_id = await sell(api, drop_id, "ann", 3)
        await sell(api, drop_id, "bob", 2)
        await expect(row).to_contain_text("Sold out")
        await expect(row).to_contain_text("5 sold")

    async def ship(self) -> None:
        assert (await tell_address(self.api, self.order_id)).status == 200
        await self.page.click('[data-nav="orders"]')
        await self.screen.sees(self.order_id, "tr")
        # when a file ships one order, and has a row that is wrong
        rows = f"order_id,carrier,number\n{self.order_id},SF,SF1234567890123\nnothing,SF,SF1\n"
        file = {"name": f"{STORED}.csv", "mimeType": "text/csv", "buffer": rows.encode()}
        await self.page.set_input_files("input[type=file]", files=[file])  # type: ignore[list-item]
        # then the good row took effect, and the bad one is named
        await self.screen.sees("unknown_order", "section")
        await self.screen.sees("Row 3", "section")
        order = await self.api.get(f"/v1/admin/orders/{self.order_id}", by=self.api.boss)
        assert order.body["stage"] == "shipped"

    async def send_back(self) -> None:
        page = self.page
        await page.click(f'a[href="#/orders/{self.order_id}"]')
        await page.fill('[name="reason"]', "broken")
        await page.click('[data-deed="refund"]')
        await self.screen.sees("¥59.70", ".notice")
        # when the gateway cannot pay it
        await self.sender.step()
        # then the bell says so on any screen, and leads to the refunds, failed ones first
        await page.locator("[data-needs]").wait_for()
        await page.click('[data-deed="bell"]')
        await page.click('.bell-list [data-need="refunds"]')
        row = page.locator("[data-refund]")
        await expect(row).to_contain_text("ACCOUNT_CLOSED")
        # when it is sent again
        await row.locator('[data-deed="retry"]').click()
        await self.screen.sees("/retry", ".notice")
        await self.sender.step()
        # then it is back, and nothing needs a person any more
        await page.click('[data-state="refunded"]')
        await expect(row).to_contain_text("¥59.70")
        await expect(page.locator("[data-needs]")).to_have_count(0)

    async def compare_books(self) -> None:
        page, drop_id = self.page, self.drop_id
        await page.click('[data-nav="books"]')
        verdict = page.locator("[data-books]")
        await expect(verdict).to_have_attribute("data-books", "agree")
        # when somebody changes a counter by hand
        key = self.stage.keyspace.of_drop(drop_id).drop
        await self.stage.redis.hincrby(key, "sold", -1)
        # then it is red within a look, names the drop, and which promise is broken
        await expect(verdict).to_have_attribute("data-books", "differ")
        await expect(verdict).to_contain_text(STORED)
        broken = page.locator(f'[data-drop="{drop_id}"]')
        await expect(broken).to_have_attribute("data-promise", "I1")
        # and an audit finds it, too
        async with running(CheckKeeper(self.stage)):
            await page.click('[data-check="audit"]')
            audit = page.locator("[data-verdict]")
            await expect(audit).to_have_attribute("data-ok", "false", timeout=AUDIT_MS)
            named = page.locator('.problem[data-finding="I1"]')
            await expect(named).to_contain_text(drop_id)
            # when it is put right, then the books agree, and the next audit is good
            await self.stage.redis.hincrby(key, "sold", 1)
            await expect(verdict).to_have_attribute("data-books", "agree")
            await page.click('[data-check="audit"]')
            await expect(audit).to_have_attribute("data-ok", "true", timeout=AUDIT_MS)

    async def look_at_results(self) -> None:
        page = self.page
        await page.click('[data-nav="results"]')
        await page.click(f'a[href="#/results/campaign/{self.campaign_id}"]')
        # then the sums are those of SQL
        async with snapshot(self.stage.sql) as connection:
            order = tables.orders.c
            paid = select(func.sum(order.amount_fen)).where(
                order.drop_id == self.drop_id, order.state == "sold"
            )
            amount_fen = await connection.scalar(paid)
        assert amount_fen == 5 * 1_990
        await expect(page.locator('[data-sum="amount"]')).to_contain_text("¥99.50")
        await expect(page.locator('[data-sum="sold"]')).to_contain_text("5 / 5")
        await expect(page.locator('[data-sum="back"]')).to_contain_text("¥59.70")
        await expect(page.locator('[data-funnel="paid"]')).to_contain_text("2")
        # and the file and the picture have them
        async with page.expect_download() as saved:
            await page.click('[data-deed="csv"]')
        text = Path(await (await saved.value).path()).read_text(encoding="utf-8-sig")
        assert text.splitlines()[-1].startswith("total,")
        assert ",9950,5970," in text.splitlines()[-1]
        await page.locator("canvas").first.wait_for()
        async with page.expect_download() as saved:
            await page.click('[data-deed="picture"]')
        with Image.open(await (await saved.value).path()) as shared:
            assert shared.format == "PNG"
            assert shared.width == 1200


async def test_a_whole_evening(api: Api, open_tab: OpenScreen) -> None:
    """Prepare, red and green, open, pause and undo, restock once, sell out, ship by file, a refund
    that fails and is sent again, audit, numbers: in one page, which may not complain once."""
    screen = await open_tab()
    await screen.come("olga", "owner")
    evening = Evening(api, screen)
    await evening.prepare()
    await evening.launch()
    # then nothing went wrong in the page, by its policy neither
    # it asks for lights without a writer, loses an answer, and scraps what is not there
    assert [text for text in screen.mistakes(503, 409) if "ERR_FAILED" not in text] == []


async def test_closing_says_what_it_does_and_asks_for_the_title(
    api: Api, open_tab: OpenScreen
) -> None:
    # given a drop with a hold, and an operator who opens a one-time link
    drop_id = await api.open_drop(allotted=10)
    assert (await api.reserve(drop_id, quantity=2)).status == 201
    screen = await open_tab()
    page = screen.page
    await screen.come("sam", "sale")
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

    # when it is closed
    await page.click(screen.drop(drop_id, "close"))
    effect = page.locator(".el-dialog .effect")
    # then it says first what happens to whom, and wants the title
    await expect(effect).to_contain_text(re.compile(r"8\s+units stop selling"))
    await expect(effect).to_contain_text(re.compile(r"2\s+held units may still be paid"))
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
    assert screen.mistakes(503) == []  # it asks for lights without a writer


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
    assert screen.mistakes(503) == []  # it asks for lights without a writer
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
    # then the page asks for a login, by itself
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
    secret = await page.locator("[data-secret]").inner_text()
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
