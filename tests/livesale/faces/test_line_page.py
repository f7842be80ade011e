"""Lines in browsers: a turn and the end, a draw and what moves up, a waitlist in a room."""

import pytest
from playwright.async_api import expect

from livesale.ledger.writer import Writer
from livesale.line.keeper import LineKeeper
from livesale.resources import Deployment
from tests.livesale.api import FAR_MS, Api
from tests.livesale.faces.conftest import OpenPhone
from tests.livesale.faces.shopper import Shopper
from tests.livesale.line.test_holds import prepare
from tests.livesale.line.test_line import gather, is_joinable, reserve, state_is, ticket
from tests.livesale.stage import on_mariadb_in_soak, running, until_written
from tests.waiting import until

pytestmark = [pytest.mark.slow, on_mariadb_in_soak]


async def phase_is(phone: Shopper, *phases: str) -> None:
    names = ", ".join(f"[data-phase={phase}]" for phase in phases)
    await expect(phone.page.locator(names).locator("visible=true")).to_be_visible()


async def two_people(open_phone: OpenPhone) -> tuple[Shopper, Shopper]:
    """They are logged in, and look around."""
    ann, bob = await open_phone(), await open_phone(width=320, color_scheme="dark")
    for phone in (ann, bob):
        await phone.go("home/index")
        await phone.sees("Home")
    return ann, bob


async def first_of(ann: Shopper, bob: Shopper, phase: str) -> tuple[Shopper, Shopper]:
    """Wait until one of them is in this phase: that one, and the other."""

    async def is_there(phone: Shopper) -> bool:
        return bool(await phone.page.locator(f"[data-phase={phase}]").count())

    async def somebody() -> bool:
        return await is_there(ann) or await is_there(bob)

    await until(somebody)
    return (ann, bob) if await is_there(ann) else (bob, ann)


async def test_one_buys_in_turn_and_another_is_told_that_all_is_gone(
    api: Api, stage: Deployment, open_phone: OpenPhone
) -> None:
    # Given two people who look around
    ann, bob = await two_people(open_phone)
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
        first, second = await first_of(ann, bob, "turn")
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


async def test_a_draw_holds_a_unit_and_the_next_one_moves_up(
    api: Api, stage: Deployment, open_phone: OpenPhone
) -> None:
    # Given two people, and the only unit of a drop that sells by a draw
    ann, bob = await two_people(open_phone)
    async with running(Writer(stage)), running(LineKeeper(stage)):
        drop_id = await prepare(api, "draw", units=1, opens_in_ms=12_000, turn_ms=600_000)
        await is_joinable(api, drop_id)
        # When both enter it, and one leaves it and comes back
        for phone in (ann, bob):
            await phone.go(f"drop/index?id={drop_id}")
            await phone.sees("This sells by a draw")
            await phone.tap("Enter the draw")
            await phase_is(phone, "waiting")
            await phone.sees("You are in the draw")
        await ann.tap("Leave the draw")
        await ann.agree()
        await phase_is(ann, "left")
        await ann.tap("Join again, at the end")
        await phase_is(ann, "waiting")
        assert await bob.serious_faults() == []

        # When lots are drawn
        await state_is(api, drop_id, "open")
        winner, other = await first_of(ann, bob, "held")
        # Then a unit is held for one, and the other knows how many must fail before
        await winner.sees("A unit is held for you")
        assert await winner.serious_faults() == []
        await other.sees("Not drawn so far. You are number 1 to move up")
        # And draws again on the phone
        await other.tap("Check it yourself")
        await other.sees("Drawing again gives the same order")
        await other.sees("Your entry is in the list")
        await other.sees("Computed here: place 2 among 2. It is the one you were told")
        await expect(other.page.locator("[data-verdict=right]")).to_be_visible()
        assert await other.serious_faults() == []

        # When the winner does not want it, then the other one has it, and pays
        await winner.tap("Pay now")
        await winner.tap("Give it back")
        await winner.agree()
        await winner.sees("You gave it back. Nothing was charged")
        await phase_is(other, "held")
        await until_written(stage)
        await other.tap("Pay now")
        await other.tap("Pay ¥19.90")
        await other.agree()
        await other.sees("Paid", "[data-step=sold]")
    assert ann.complaints + bob.complaints == []


async def test_a_waitlist_in_a_room_holds_what_returns(
    api: Api, stage: Deployment, shopper: Shopper
) -> None:
    # Given a room that shows an item with a waitlist, and somebody who took the last unit
    async with running(Writer(stage)), running(LineKeeper(stage)):
        room_id, drop_id = await room_with_waitlist(api)
        text = (await ticket(api, drop_id, "cat")).body["ticket"]
        taken = await reserve(api, drop_id, "cat", text)
        assert taken.status == 201, taken.body
        # When somebody else taps what the host shows
        await shopper.go(f"room/index?id={room_id}")
        await shopper.tap("Hold one for me when it returns", within=".pinned")
        # Then the sheet has the waitlist instead of a quantity
        await shopper.sees("A unit that returns is held for the next on the list", "[role=dialog]")
        assert await shopper.serious_faults() == []
        await shopper.tap("Hold one for me when it returns", within="[role=dialog]")
        await phase_is(shopper, "waiting")
        await shopper.sees("You are next", "[role=dialog]")
        # When the unit comes back, then it is held for them, and they pay
        rid = taken.body["reservation_id"]
        await api.delete(f"/v1/reservations/{rid}", by=api.buyer("cat"))
        await phase_is(shopper, "held")
        await shopper.sees("A unit is held for you", "[role=dialog]")
        assert await shopper.serious_faults() == []
        await until_written(stage)
        await shopper.tap("Pay now", within="[role=dialog]")
        await shopper.tap("Pay ¥19.90")
        await shopper.agree()
        await shopper.sees("Paid", "[data-step=sold]")
    assert shopper.complaints == []


async def room_with_waitlist(api: Api) -> tuple[str, str]:
    """A live room whose pinned item has one unit, and a line that takes names; room and drop."""
    new = {"title": "Tea tonight", "host": "host", "starts_ms": FAR_MS}
    room_id = str((await api.post("/v1/rooms", new, by=api.boss)).body["room_id"])
    path = f"/v1/rooms/{room_id}"
    await api.post(f"{path}/start", by=api.boss)
    drop = await api.create_drop(allotted=1, buyer_limit=1, ticket_required=True)
    drop_id, terms = str(drop["drop_id"]), {"mode": "waitlist", "turn_ms": 600_000}
    await api.ask("PUT", f"{path}/drops/{drop_id}", by=api.boss)
    await api.post(f"/v1/admin/drops/{drop_id}/line", terms, by=api.boss)
    thing = {"title": "Tea set", "price_fen": 9_900, "state": "on_sale", "drop_id": drop_id}
    item = await api.post(f"{path}/items", thing, by=api.boss)
    await api.post(f"{path}/items/{item.body['item_id']}/pin", by=api.boss)
    opened = await api.post(f"{path}/drops/{drop_id}/open", {"countdown_s": 0}, by=api.boss)
    assert opened.status == 200, opened.body
    await api.post(f"/v1/admin/drops/{drop_id}/line", terms, by=api.boss)
    await is_joinable(api, drop_id)
    return room_id, drop_id
