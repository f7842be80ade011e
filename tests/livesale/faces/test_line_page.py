"""A line in browsers: one person has a turn and buys, another is told that all is gone."""

import pytest
from playwright.async_api import expect

from livesale.ledger.writer import Writer
from livesale.line.keeper import LineKeeper
from livesale.resources import Deployment
from tests.livesale.api import Api
from tests.livesale.faces.conftest import OpenPhone
from tests.livesale.faces.shopper import Shopper
from tests.livesale.line.test_line import gather, is_joinable, state_is
from tests.livesale.stage import running, until_written
from tests.waiting import until

pytestmark = pytest.mark.slow


async def phase_is(phone: Shopper, *phases: str) -> None:
    names = ", ".join(f"[data-phase={phase}]" for phase in phases)
    await expect(phone.page.locator(names).locator("visible=true")).to_be_visible()


async def in_turn(phone: Shopper) -> bool:
    return bool(await phone.page.locator("[data-phase=turn]").count())


async def test_one_buys_in_turn_and_another_is_told_that_all_is_gone(
    api: Api, stage: Deployment, open_phone: OpenPhone
) -> None:
    # Given two people who look around
    ann, bob = await open_phone(), await open_phone(width=320, color_scheme="dark")
    for phone in (ann, bob):
        await phone.go("home/index")
        await phone.sees("Home")
    async with running(Writer(stage)), running(LineKeeper(stage)):
        # When the only unit of a drop gets a line, and both join it before it opens
        drop_id = await gather(api, opens_in_ms=12_000, units=1)
        await is_joinable(api, drop_id)
        for phone in (ann, bob):
            await phone.go(f"drop/index?id={drop_id}")
            await phone.tap("Join the line")
            await phase_is(phone, "waiting")
            await phone.sees("The order is made at the opening")
        assert await ann.serious_faults() == []
        # Then a page that is loaded anew finds the place, which belongs to the buyer
        await ann.page.reload()
        await phase_is(ann, "waiting")
        line = (await api.get(f"/v1/drops/{drop_id}/line")).body
        assert (line["people"], line["left"]) == (2, 0)
        assert await bob.serious_faults() == []

        # When it opens
        async def somebody() -> bool:
            return await in_turn(ann) or await in_turn(bob)

        await until(somebody)
        first, second = (ann, bob) if await in_turn(ann) else (bob, ann)
        # Then one has a turn with its time, and the other is told how many are ahead, and the odds
        await first.sees("It is your turn")
        assert await first.serious_faults() == []
        await phase_is(second, "waiting")
        await second.sees("Chance of a unit")

        # When the first one buys and pays
        await first.tap("Buy now")
        await first.tap("Buy now", within="[role=dialog]")
        await first.tap("It is yours: pay now", within="[role=dialog]")
        await second.sees("0 left, 1 held by others and may return")
        await until_written(stage)
        await first.tap("Pay ¥19.90")
        await first.agree()
        await first.sees("Paid", "[data-step=sold]")
        # Then the other one waits for nothing
        await state_is(api, drop_id, "gone")
        await phase_is(second, "gone")
        await second.sees("Nothing is held, so nothing can return")
        # And computes the own place from what was published: the second of two
        await second.tap("Check it yourself")
        await second.sees("It is the commitment that you saw before the opening")
        await second.sees("Computed here: place 2 among 2. It is the one you were told")
        await expect(second.page.locator("[data-verdict=right]")).to_be_visible()
        assert await second.serious_faults() == []
        # And who bought is not told to line up again
        await first.go(f"drop/index?id={drop_id}")
        await phase_is(first, "bought")
    assert ann.complaints + bob.complaints == []
