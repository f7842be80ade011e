"""The desk of a shop keeper: orders, parcels, refunds, cases, people, the log; in Chromium."""

import re
from typing import Any

from playwright.async_api import Page, expect
from sqlalchemy import update

from livesale.database import engine as database
from livesale.ledger.refunds import refunds
from livesale.ledger.writer import Writer
from tests.livesale.api import Api
from tests.livesale.console.conftest import OpenScreen
from tests.livesale.console.screen import WAIT_MS, Screen
from tests.livesale.identity.operators.person import new_link
from tests.livesale.orders.after import HOME, order_of, sell, ship, tell_address
from tests.livesale.stage import running, until_written

NUMBER = "SF1234567890123"


def row(page: Page, text: str) -> Any:
    return page.locator("table.list tbody tr").filter(has_text=text)


async def only(page: Page, order_id: str) -> None:
    """The list has this order, and no other."""
    rows = page.locator("table.list tbody tr")
    await expect(rows).to_have_text([re.compile(order_id)], timeout=WAIT_MS)


async def go(screen: Screen, nav: str) -> None:
    await screen.page.click(f'[data-nav="{nav}"]')


async def fail_refunds(api: Api) -> None:
    """As if the gateway had refused all of them."""
    async with database.transaction(api.deployment.sql) as connection:
        values = {"state": "failed", "last_error": "BALANCE_TOO_LOW"}
        await connection.execute(update(refunds).values(values))


async def ask_back(api: Api, order_id: str, buyer: str, kind: str = "refund") -> str:
    body = {"kind": kind, "units": 1, "reason": "it broke"}
    made = await api.post(f"/v1/orders/{order_id}/cases", body, by=api.buyer(buyer))
    assert made.status == 201, made.body
    return str(made.body["case_id"])


async def test_orders_are_found_shipped_and_paid_back(api: Api, open_tab: OpenScreen) -> None:
    async with running(Writer(api.deployment)):
        # given two paid orders, one of which has been shipped, and a hold
        drop_id = await api.open_drop()
        waiting = await sell(api, drop_id, "ann", 2)
        shipped = await sell(api, drop_id, "bob")
        held = (await api.reserve(drop_id, "cat")).body["reservation_id"]
        await tell_address(api, waiting)
        await tell_address(api, shipped, "bob", phone="13900139111")
        await ship(api, shipped)
        await until_written(api.deployment)
        screen = await open_tab()
        page = screen.page
        await screen.come("olga", "owner")
        await go(screen, "orders")
        # then all are in the list, with their goods, states and money
        await expect(page.locator("table.list tbody tr")).to_have_count(3, timeout=WAIT_MS)
        await expect(row(page, waiting)).to_contain_text("¥39.80")
        await expect(row(page, waiting)).to_contain_text("Tea")
        await expect(row(page, waiting)).to_contain_text("Waiting")
        await expect(row(page, held)).to_contain_text("Held")
        # and each is found by its number, by that of its parcel, its buyer, phone and state
        for field, words, found in (
            ("number", held, held),
            ("number", NUMBER, shipped),
            ("buyer", "ann", waiting),
            ("phone", "9111", shipped),
            ("phone", HOME["phone"][-4:], waiting),
        ):
            await page.fill(f'[name="{field}"]', words)
            await only(page, found)
            await page.fill(f'[name="{field}"]', "")
        await page.select_option('[name="status"]', "held")
        await only(page, held)
        await page.select_option('[name="status"]', "received")
        await screen.sees("No order fits", ".empty")
        await page.select_option('[name="status"]', "waiting")

        # when the waiting one is opened
        await page.click(f'a:has-text("{waiting}")')
        # then where it goes is shown only when asked for, and asking is in the log
        body = page.locator("main")
        await expect(body).to_contain_text("2 × ¥19.90", timeout=WAIT_MS)
        await expect(body).not_to_contain_text(HOME["phone"])
        await page.get_by_role("button", name="Show the address").click()
        await expect(body).to_contain_text(HOME["phone"], timeout=WAIT_MS)
        # when it is shipped
        await page.select_option('[name="carrier"]', "SF")
        await page.fill('[name="tracking"]', "SF1234567890999")
        await page.click('[data-deed="ship"]')
        # then it is on its way, for the buyer, too
        await expect(page.locator(".head .tag")).to_have_text("Shipped", timeout=WAIT_MS)
        await expect(body).to_contain_text("SF1234567890999")
        assert (await order_of(api, waiting))["stage"] == "shipped"
        # when more than the order cost is to go back, then that cannot be asked for
        await page.fill('[name="yuan"]', "39.81")
        await page.fill('[name="reason"]', "dented")
        await expect(page.locator('[data-deed="refund"]')).to_be_disabled()
        # when a part is, by a double click
        await page.fill('[name="yuan"]', "5")
        await expect(page.locator(".effect")).to_contain_text("¥5.00")
        await expect(page.locator(".effect")).to_contain_text("go back to ann")
        await page.dblclick('[data-deed="refund"]')
        # then it is ordered once
        await screen.sees("Ordered a refund of ¥5.00", ".notice")
        await until_written(api.deployment)
        answer = await api.get("/v1/admin/refunds", by=api.boss)
        assert [one["amount_fen"] for one in answer.body["refunds"]] == [500]
        await expect(body).to_contain_text("at most ¥34.80", timeout=WAIT_MS)

        # when the gateway refuses it
        await fail_refunds(api)
        await go(screen, "refunds")
        # then it is what one sees first, with the gateway's word and what to do
        await expect(row(page, waiting)).to_contain_text("BALANCE_TOO_LOW", timeout=WAIT_MS)
        await expect(row(page, waiting)).to_contain_text("¥5.00 / ¥39.80")
        await screen.sees("handle them in the merchant platform", ".effect")
        await page.click('.chip:has-text("Due")')
        await screen.sees("No refunds", ".empty")
        assert screen.wrong == []


async def test_cases_are_refused_agreed_and_taken_in(api: Api, open_tab: OpenScreen) -> None:
    async with running(Writer(api.deployment)):
        # given a buyer who wants money, and one who wants to send something back
        drop_id = await api.open_drop()
        orders = [await sell(api, drop_id, name) for name in ("ann", "bob")]
        for order_id, name in zip(orders, ("ann", "bob"), strict=True):
            await tell_address(api, order_id, name)
            await ship(api, order_id, number=f"SF123456789012{name == 'bob':d}")
        await ask_back(api, orders[0], "ann")
        back = await ask_back(api, orders[1], "bob", "return")
        screen = await open_tab()
        page = screen.page
        await screen.come("fay", "finance")
        await go(screen, "cases")
        one = page.locator(".case").filter(has_text=orders[0])
        other = page.locator(".case").filter(has_text=orders[1])
        # then both wait, with what they want and why
        await expect(one).to_contain_text("Refund · ¥19.90", timeout=WAIT_MS)
        await expect(one).to_contain_text("it broke")
        await expect(other).to_contain_text("Return · ¥19.90")
        # when one is to be refused without words, then it cannot be
        refuse = one.get_by_role("button", name="Refuse")
        await expect(refuse).to_be_disabled()
        await one.locator("input").fill("it was worn")
        await refuse.click()
        # then it leaves the list, and stands under the refused ones with those words
        await expect(page.locator(".case")).to_have_count(1, timeout=WAIT_MS)
        await other.get_by_role("button", name="Agree to the return").click()
        await screen.sees("No such cases", ".empty")
        await page.click('.chip:has-text("Refused")')
        await expect(one).to_contain_text("it was worn", timeout=WAIT_MS)
        # when the goods come back, and are taken in to be sold again
        sent = {"carrier": "SF", "number": "SF1234567890777"}
        told = await api.post(f"/v1/cases/{back}/return", sent, by=api.buyer("bob"))
        assert told.status == 200, told.body
        await page.click('.chip:has-text("Agreed")')
        await expect(other).to_contain_text("SF1234567890777", timeout=WAIT_MS)
        await other.locator("select").select_option("stock")
        await other.get_by_role("button", name="Taken in: send back ¥19.90").click()
        await screen.sees("No such cases", ".empty")
        # then the money is on its way
        await until_written(api.deployment)
        answer = await api.get("/v1/admin/refunds", by=api.boss)
        assert [one["order_id"] for one in answer.body["refunds"]] == [orders[1]]
        assert screen.wrong == []


async def test_an_owner_lets_people_in_and_sees_what_they_did(
    api: Api, open_tab: OpenScreen
) -> None:
    drop_id = await api.open_drop()
    screen = await open_tab()
    page = screen.page
    await screen.come("otto", "owner")
    await go(screen, "people")
    await expect(page.locator('[data-operator="otto"]')).to_contain_text("(you)", timeout=WAIT_MS)
    # when somebody is added with a role
    await page.click('[data-deed="add"]')
    await page.fill('[name="operator"]', "vera")
    for role in ("sale", "viewer"):  # sale was chosen beforehand
        await page.locator(f'.el-dialog:visible input[value="{role}"]').click()
    await page.locator(".el-dialog:visible button.main").click()
    vera = page.locator('[data-operator="vera"]')
    await expect(vera).to_contain_text("Viewer", timeout=WAIT_MS)
    await expect(vera).to_contain_text("by link only")
    # and gets a link
    await vera.get_by_role("button", name="One-time link").click()
    shown = page.locator("[data-link]")
    await expect(shown).to_be_visible(timeout=WAIT_MS)
    other = await open_tab()
    await other.page.goto((await shown.inner_text()).strip())
    # then the person is in, as a viewer
    await expect(other.page.locator(other.drop(drop_id))).to_be_visible(timeout=WAIT_MS)
    await expect(other.page.locator(other.drop(drop_id, "pause"))).to_have_count(0)
    await page.keyboard.press("Escape")

    # when the role becomes another one
    await vera.get_by_role("button", name="Roles").click()
    for role in ("viewer", "sale"):
        await page.locator(f'.el-dialog:visible input[value="{role}"]').click()
    await page.locator(".el-dialog:visible button.main").click()
    await expect(vera).to_contain_text("Sale", timeout=WAIT_MS)
    # then the next page shows what it allows, and the person does it
    await other.page.reload()
    await other.page.click(other.drop(drop_id, "pause"))
    await other.sees(f"livesale drop pause {drop_id}", ".notice")

    # when the log is asked for what that person did
    await go(screen, "log")
    await page.fill('[name="actor"]', "person|vera")
    paused = row(page, "/v1/admin/drops/{drop_id}/pause")
    await expect(paused).to_contain_text(drop_id, timeout=WAIT_MS)
    await expect(paused).to_contain_text("Done")
    # then it says what was before, and after
    await paused.click()
    await expect(page.locator("pre").filter(has_text="paused").first).to_be_visible()
    await expect(page.locator("pre").filter(has_text="open").first).to_be_visible()
    # and other filters find nothing of it
    await page.select_option('[name="outcome"]', "refused")
    await screen.sees("Nothing fits", ".empty")

    # when the person is revoked, which says first how many sessions end
    await go(screen, "people")
    await vera.get_by_role("button", name="Revoke").click()
    await expect(page.locator(".el-dialog:visible .effect")).to_contain_text("1", timeout=WAIT_MS)
    await page.locator(".el-dialog:visible button.danger.main").click()
    await expect(vera).to_contain_text("Revoked", timeout=WAIT_MS)
    # then the page of that person asks for a login by itself
    await other.sees("Your session has ended")
    # and there is a way back
    await vera.get_by_role("button", name="Restore").click()
    await expect(vera).to_contain_text("Active", timeout=WAIT_MS)
    assert (await new_link(api, "vera")) != ""
    assert screen.wrong == []
