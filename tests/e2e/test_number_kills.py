"""kill -9 of the keeper and of an API worker: the numbers of a show add up afterwards."""

import asyncio
import contextlib
from typing import Any

import pytest

from tests.e2e.system import Buyer, Count, Shop
from tests.livesale.rooms.viewer import FAULTS, Viewer
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("rooms")  # one system for all of them

PEOPLE = 60
UNITS = 100


async def stay(viewer: Viewer, token: str) -> None:
    """Watch as somebody, and come back whenever it ends."""
    while True:
        with contextlib.suppress(*FAULTS):
            await viewer.watch({"Authorization": f"Bearer {token}"})
        await asyncio.sleep(0.05)


async def test_numbers_add_up_after_kill_9(shop: Shop) -> None:
    # given a show with viewers who all open the one item, and a drop that sells
    room_id, drop_id = await shop.open_room(UNITS)
    item = await shop.operate(
        "POST", f"/v1/rooms/{room_id}/items", {"drop_id": drop_id, "state": "on_sale"}
    )
    tokens = shop.system.tokens(PEOPLE)
    viewers = [Viewer(shop.client, shop.system.url, room_id) for _ in tokens]
    watching = [
        asyncio.create_task(stay(viewer, token))
        for viewer, token in zip(viewers, tokens, strict=True)
    ]
    await asyncio.gather(*(viewer.until("snapshot", 30) for viewer in viewers))
    opened = f"/v1/rooms/{room_id}/items/{item['item_id']}/opened"
    for token in tokens:
        await shop.ask("POST", opened, Authorization=f"Bearer {token}")
    await shop.operate("POST", f"/v1/rooms/{room_id}/drops/{drop_id}/open")
    answered = Count()
    crowd = [Buyer(shop, token, 1, answered) for token in tokens]
    # when workers are killed while it sells, each behind the second that it owes
    buying = [asyncio.create_task(buyer.buy(drop_id)) for buyer in crowd[: PEOPLE // 2]]
    await asyncio.sleep(2.5)
    await shop.system.kill("keeper")
    await shop.system.kill("api-0")
    buying += [asyncio.create_task(buyer.buy(drop_id)) for buyer in crowd[PEOPLE // 2 :]]
    async with asyncio.timeout(120):
        await asyncio.gather(*buying)
    books = await shop.settle(drop_id)

    async def stats() -> Any:
        return await shop.operate("GET", f"/v1/rooms/{room_id}/stats")

    async def seen_all() -> bool:
        minutes = (await stats())["minutes"]
        return max((minute["online"] for minute in minutes), default=0) >= PEOPLE

    async def final() -> bool:
        return bool((await stats())["final"])

    async with asyncio.timeout(60):
        await until(seen_all)
    # and the show ends
    await shop.operate("POST", f"/v1/rooms/{room_id}/drops/{drop_id}/close")
    for buyer in crowd:
        path = f"/v1/reservations/{buyer.answers[0]['reservation_id']}"
        await shop.ask("DELETE", path, Authorization=buyer.headers["Authorization"])
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
    await shop.operate("POST", f"/v1/rooms/{room_id}/end")
    async with asyncio.timeout(60):
        await until(final)
    # then every person is there, once, and what was reserved is what the books held
    numbers = await stats()
    assert numbers["funnel"] == {
        "entered": PEOPLE,
        "opened": PEOPLE,
        "reserved": PEOPLE,
        "paid": 0,
    }
    assert numbers["sales"]["reserved_units"] == books["redis"]["held"] == PEOPLE
    assert [one["opened"] for one in numbers["items"]] == [PEOPLE]
    for name in ("entered", "opened", "reserved"):
        assert sum(minute[name] for minute in numbers["minutes"]) == PEOPLE, name
