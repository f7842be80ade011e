"""A person buys in a browser: the built page, on the real service, in the system's Chromium."""

import pytest
from playwright.async_api import FilePayload, expect

from livesale.ledger.writer import Writer
from livesale.resources import Deployment
from tests.livesale.api import Api
from tests.livesale.catalogue.drawn import picture
from tests.livesale.faces.conftest import make_product
from tests.livesale.faces.shopper import WAIT_MS, Shopper
from tests.livesale.orders.after import SF, ship
from tests.livesale.pickup.test_pickup import add_store
from tests.livesale.stage import on_mariadb_in_soak, running, until_written

pytestmark = [pytest.mark.slow, on_mariadb_in_soak]
HURRY = "Less than 15 seconds: pay now"
PASTED = "王小明 13800138000 广东省深圳市南山区科技园路1号"
PHOTO = FilePayload(name="broken.png", mimeType="image/png", buffer=picture())


async def test_a_person_buys_pays_and_asks_for_after_sale(
    api: Api, stage: Deployment, shopper: Shopper
) -> None:
    # Given a product with two sizes, one of them on sale
    product = await make_product(api)
    drop_id = await api.open_drop(sku_id=product["skus"][0], allotted=3)
    await add_store(api, "nanshan", 22.54, 113.95)
    await add_store(api, "futian", 22.54, 114.05, title="Futian", address="88 Fuhua Road")
    page = shopper.page
    async with running(Writer(stage)):
        # When somebody looks for it by a word that finds nothing, and by one that does
        await shopper.go("goods/index")
        await shopper.field("Search goods").fill("porcelain")
        await page.keyboard.press("Enter")
        await shopper.sees("Nothing was found")
        await shopper.field("Search goods").fill("oolong")
        await page.keyboard.press("Enter")
        await shopper.sees("Oolong", "[data-product]")
        assert await shopper.serious_faults() == []
        await page.locator("[data-product]").click()
        # Then the product has its prices, its options and the sale
        await shopper.sees("¥99.00")
        await shopper.sees("price in our store")
        await shopper.tap("250 g")
        await shopper.sees("No sale of this option is planned right now")
        await shopper.tap("100 g")
        await expect(page.locator(f'[data-drop="{drop_id}"]')).to_be_visible()
        assert await shopper.serious_faults() == []

        # When two units are bought
        await shopper.tap("Buy now")
        await expect(shopper.sheet.get_by_text("You can still take 3")).to_be_visible()
        await shopper.tap("More", within="[role=dialog]")
        await expect(shopper.sheet.get_by_text("¥39.80")).to_be_visible()
        assert await shopper.serious_faults() == []
        await shopper.tap("Buy now", within="[role=dialog]")
        await shopper.tap("It is yours: pay now", within="[role=dialog]")
        await shopper.sees("Pay within")
        await until_written(stage)
        # And paid at the simulated bank
        await shopper.tap("Pay ¥39.80")
        await shopper.agree()
        # Then it is said only when the service has sold it
        await shopper.sees("Paid", "[data-step=sold]")
        books = await api.books(drop_id)
        assert (books["redis"]["sold"], books["redis"]["available"]) == (2, 1)
        await until_written(stage)

        # When they say where it goes, and leave a field out
        await shopper.tap("Delivery address", within="[data-place=address]")
        await shopper.tap("Add an address")
        await shopper.tap("Save")
        await expect(page.get_by_text("Fill this in")).to_have_count(5)
        await shopper.field("Paste a whole address").fill(PASTED)
        await shopper.tap("Fill it in")
        await expect(page.get_by_text("Fill this in")).to_have_count(0)
        await shopper.field("City").fill("Shenzhen")
        await shopper.tap("Save")
        # Then the service's own refusal is at the field
        await shopper.sees("No such city in this province")
        assert await shopper.serious_faults() == []
        await shopper.field("City").fill("深圳市")
        await shopper.tap("Save")
        await page.locator("[data-address]").get_by_text("王小明").click()
        await shopper.sees("广东省深圳市南山区科技园路1号", "[data-place=address]")

        # When they want to collect it instead, and look for a store
        await shopper.tap("Collect it in a store")
        await expect(shopper.sheet.get_by_role("listitem")).to_have_count(2)
        await shopper.field("Name or address of a store").fill("keji")
        await page.keyboard.press("Enter")
        await expect(shopper.sheet.get_by_role("listitem")).to_have_count(1)
        assert await shopper.serious_faults() == []
        await page.locator("[data-store=nanshan]").click()
        # Then the order waits there, with a code that its clerk can scan
        await shopper.sees("1 Keji Road", "[data-place=pickup]")
        await expect(page.get_by_role("img", name="QR code")).to_be_visible()
        # And they may change their mind
        await shopper.tap("Have it sent instead")
        await page.locator("[data-address]").get_by_text("王小明").click()
        await shopper.sees("广东省深圳市南山区科技园路1号", "[data-place=address]")

        # When the shop ships it
        mine = await api.get("/v1/me/orders", by=await shopper.token())
        [order] = mine.body["orders"]
        await ship(api, order["order_id"])
        await shopper.go(f"order/index?id={order['order_id']}")
        # Then carrier and number are there
        await shopper.sees(SF["number"], "[data-parcel=shipped]")
        assert await shopper.serious_faults() == []
        await shopper.tap("I have received it", within="[data-parcel]")
        await shopper.agree()
        await expect(page.locator("[data-parcel=received]")).to_be_visible(timeout=WAIT_MS)

        # When one unit is sent back, with a picture that shows why
        await shopper.tap("Ask for after-sale", role="link")
        await shopper.tap("Return and refund", role="radio")
        await shopper.tap("Less")
        await shopper.field("Reason").fill("The box is broken")
        async with page.expect_file_chooser() as chooser:
            await shopper.tap("Add a picture")
        await (await chooser.value).set_files([PHOTO])
        await expect(page.get_by_role("button", name="Remove the picture")).to_be_visible()
        assert await shopper.serious_faults() == []
        await shopper.tap("Ask now")
        # Then the shop has the case, and the page says what comes next
        await shopper.sees("Waiting for the shop")
        await shopper.sees("After that it is agreed")
        own = await api.get(f"/v1/orders/{order['order_id']}", by=await shopper.token())
        [case] = own.body["cases"]
        assert (case["kind"], case["units"], len(case["evidence"])) == ("return", 1, 1)
        # And it can be taken back
        await shopper.tap("Withdraw")
        await shopper.agree()
        await expect(page.locator("[data-case=withdrawn]")).to_be_visible(timeout=WAIT_MS)
    # And nothing of the page broke its policy, or failed
    assert shopper.complaints == []


async def test_money_that_comes_late_is_shown_as_it_is(
    api: Api, stage: Deployment, shopper: Shopper
) -> None:
    # Given a hold of the last unit, whose payment is cancelled
    drop_id = await api.open_drop(allotted=1, buyer_limit=2)
    page = shopper.page
    async with running(Writer(stage)):
        await shopper.go(f"drop/index?id={drop_id}")
        await shopper.tap("Buy now")
        await shopper.tap("Buy now", within="[role=dialog]")
        await shopper.tap("It is yours: pay now", within="[role=dialog]")
        await shopper.tap("Pay ¥19.90")
        await shopper.decline()
        await expect(page.locator("[data-step=unpaid]")).to_be_visible()
        [hold] = (await api.get("/v1/me/overview", by=await shopper.token())).body["holds"]
        bank = f"/v1/payments/simulated/{hold['reservation_id']}"
        # When it is given back, somebody else takes it, and then the money arrives
        await shopper.tap("Give it back")
        await shopper.agree()
        await shopper.sees("You gave it back. Nothing was charged")
        assert (await api.reserve(drop_id, "bob")).status == 201
        assert (await api.post(bank, {"outcome": "paid"})).body["result"] == "refund_due"
        # Then the page shows the refund
        await shopper.sees("A refund is on its way")
        # And so does the list of refunds
        await shopper.go("me/index")
        await shopper.sees("1 on the way")
        await page.locator("[data-menu=refunds]").click()
        await shopper.sees("The payment came too late", "[data-refund=due]")

        # Given a short hold, whose payment is cancelled
        other = await api.open_drop(allotted=5, hold_ms=19_000)
        await shopper.go(f"drop/index?id={other}")
        await shopper.tap("Buy now")
        await shopper.tap("Buy now", within="[role=dialog]")
        await shopper.tap("It is yours: pay now", within="[role=dialog]")
        await shopper.tap("Pay ¥19.90")
        await shopper.decline()
        [hold] = (await api.get("/v1/me/overview", by=await shopper.token())).body["holds"]
        # When fifteen seconds are left, then the page warns
        await shopper.sees(HURRY)
        assert await page.locator(".clock").inner_text() <= "00:15"
        # When it is given back, and its money arrives after all
        await shopper.tap("Give it back")
        await shopper.agree()
        await shopper.sees("You gave it back. Nothing was charged")
        bank = f"/v1/payments/simulated/{hold['reservation_id']}"
        assert (await api.post(bank, {"outcome": "paid"})).body["result"] == "late_sold"
        # Then it is sold, and the page says that it came late
        await shopper.sees("Your payment came late, and you still got it", "[data-step=sold]")

        # Given another hold, whose payment is cancelled, and a list of sales
        last = await api.open_drop(allotted=5)
        await shopper.go(f"drop/index?id={last}")
        await shopper.tap("Buy now")
        await shopper.tap("Buy now", within="[role=dialog]")
        await expect(shopper.sheet.get_by_text("It is yours", exact=True)).to_be_visible()
        await shopper.go("home/index")
        await shopper.sees("1 waiting for payment")
        [hold] = (await api.get("/v1/me/overview", by=await shopper.token())).body["holds"]
        # When its money arrives
        bank = f"/v1/payments/simulated/{hold['reservation_id']}"
        assert (await api.post(bank, {"outcome": "paid"})).body["result"] == "sold"
        # Then the list says so, as it happens
        await shopper.sees("Paid. It is yours")
    assert shopper.complaints == []
