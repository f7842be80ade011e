"""kill -9 of each process during a show: no viewer misses an event or gets one twice."""

import asyncio
import time

import pytest

from livesale.draws import lots as draw
from tests.e2e.system import FAR_MS, Buyer, Count, Shop
from tests.livesale.rooms.viewer import Viewer
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("rooms")  # one system for all of them

VIEWERS = 20
BUYERS = 120
UNITS = 100
BATCH = 30


async def agree(viewers: list[Viewer], drop_id: str, remaining: int) -> None:
    """Wait until every viewer shows what is left, at the same place."""

    def agreed() -> bool:
        place = (viewers[0].epoch, viewers[0].offset)
        return all(
            viewer.drops.get(drop_id, {}).get("remaining") == remaining
            and (viewer.epoch, viewer.offset) == place
            for viewer in viewers
        )

    await until(agreed)


@pytest.mark.soak  # test_one_show_survives_them_all is its short form
@pytest.mark.parametrize("role", ["api-0", "redis", "keeper"])
async def test_a_show_goes_on_after_kill_9(shop: Shop, role: str) -> None:
    # given viewers, and a drop that is about to be sold in their room
    room_id, drop_id = await shop.open_room(UNITS)
    viewers = [Viewer(shop.client, shop.system.url, room_id) for _ in range(VIEWERS)]
    watching = [asyncio.create_task(viewer.stay()) for viewer in viewers]
    await asyncio.gather(*(viewer.until("snapshot", 30) for viewer in viewers))
    opened = await shop.operate(
        "POST", f"/v1/rooms/{room_id}/drops/{drop_id}/open", {"countdown_s": 1}
    )
    answered = Count()
    crowd = [Buyer(shop, token, 1, answered) for token in shop.system.tokens(BUYERS)]

    async def come(buyer: Buyer, after_s: float) -> None:
        await asyncio.sleep(after_s)
        await buyer.buy(drop_id)

    # when a process is killed while it sells
    await viewers[0].until("drop.open", 30)
    buying = [asyncio.create_task(come(buyer, number * 0.03)) for number, buyer in enumerate(crowd)]
    await answered.wait_for(UNITS // 4)
    await shop.system.kill(role)
    async with asyncio.timeout(120):
        await asyncio.gather(*buying)
    # then all is sold, once, and every viewer sees it: no gap, no repeat
    books = await shop.settle(drop_id)
    assert books["redis"]["available"] == 0
    await agree(viewers, drop_id, 0)
    assert [viewer.faults for viewer in viewers] == [[]] * VIEWERS
    for viewer in viewers:
        opens = [message for message in viewer.messages if message["type"] == "drop.open"]
        assert len({(message["at_ms"], message["offset"]) for message in opens}) <= 1
        assert all(message["at_ms"] >= opened["opens_ms"] for message in opens)
    # and the room goes on
    await shop.operate(
        "POST",
        f"/v1/rooms/{room_id}/drops/{drop_id}/restock",
        {"units": 7, "reason": "a box behind the door"},
    )
    await agree(viewers, drop_id, 7)
    assert [viewer.faults for viewer in viewers] == [[]] * VIEWERS
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
    # and the books are right
    shop.system.command("audit")


@pytest.mark.parametrize("role", [pytest.param("redis", marks=pytest.mark.soak), "keeper"])
async def test_a_lucky_bag_is_drawn_once_after_kill_9(shop: Shop, role: str) -> None:
    # given viewers who have entered a bag, and a drop for three winners
    room_id, _ = await shop.open_room(UNITS)
    sku = await shop.admin("POST", "skus", {"title": "Socks", "price_fen": 900})
    times = {"opens_ms": 0, "closes_ms": FAR_MS}
    campaign = await shop.admin("POST", "campaigns", {"title": "Luck", **times})
    terms = {"price_fen": 0, "allotted": 3, "buyer_limit": 1}
    ids = {"campaign_id": campaign["campaign_id"], "sku_id": sku["sku_id"], "hold_ms": 600_000}
    drop_id = (await shop.admin("POST", "drops", {**ids, **terms, "room_id": room_id}))["drop_id"]
    viewer = Viewer(shop.client, shop.system.url, room_id)
    watching = asyncio.create_task(viewer.stay())
    await viewer.until("snapshot", 30)
    tokens = shop.system.tokens(20)
    new = {"title": "Socks for three", "places": 3, "countdown_s": 5, "drop_id": drop_id}
    bag = await shop.operate("POST", f"/v1/rooms/{room_id}/bags", new)
    path = f"/v1/rooms/{room_id}/bags/{bag['bag_id']}"
    for token in tokens:
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{shop.system.url}{path}/entries"
        async with shop.client.post(url, headers=headers) as entered:
            assert entered.status == 201
    # when a process is killed as it is drawn
    await asyncio.sleep(max(0.0, (bag["draws_ms"] - await shop_ms(shop)) / 1000))
    await shop.system.kill(role)
    drawn = await viewer.until("bag.drawn", 60)
    # then there is one draw that holds, and one prize for each winner
    books = await shop.settle(drop_id)
    assert (books["redis"]["sold"], books["redis"]["available"]) == (3, 0)
    async with shop.client.get(f"{shop.system.url}{path}") as found:
        record = draw.read_record(await found.read())
    assert draw.find_faults(record) == []
    assert (len(record.entry_ids), record.bag.winners) == (20, drawn["bag"]["winners"])
    assert viewer.kinds().count("bag.drawn") == 1
    assert viewer.faults == []
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    shop.system.command("audit")


async def shop_ms(shop: Shop) -> int:
    async with shop.client.get(f"{shop.system.url}/v1/time") as answer:
        return int((await answer.json())["server_ms"])


async def test_one_show_survives_them_all(shop: Shop) -> None:
    """One after the other, each while a batch of buyers comes. `pytest -s` says how long it took
    until every screen, the books and the count of viewers were right."""
    # given a show in which a drop sells, and somebody who speaks
    room_id, drop_id = await shop.open_room(UNITS)
    viewers = [Viewer(shop.client, shop.system.url, room_id) for _ in range(VIEWERS)]
    watching = [asyncio.create_task(viewer.stay()) for viewer in viewers]
    await asyncio.gather(*(viewer.until("snapshot", 30) for viewer in viewers))
    await shop.operate("POST", f"/v1/rooms/{room_id}/drops/{drop_id}/open", {"countdown_s": 0})
    await viewers[0].until("drop.open", 30)
    tokens = shop.system.tokens(3 * BATCH)
    left = UNITS
    for number, role in enumerate(("api-0", "redis", "keeper")):
        answered = Count()
        batch = tokens[number * BATCH : (number + 1) * BATCH]
        crowd = [Buyer(shop, token, 1, answered) for token in batch]

        async def come(buyer: Buyer, after_s: float) -> None:
            await asyncio.sleep(after_s)
            await buyer.buy(drop_id)

        buying = [
            asyncio.create_task(come(buyer, place * 0.03)) for place, buyer in enumerate(crowd)
        ]
        # when it is killed in the middle of the batch
        await answered.wait_for(BATCH // 3)
        await shop.system.kill(role)
        killed_s = time.monotonic()
        async with asyncio.timeout(120):
            await asyncio.gather(*buying)
            # then each of them has one unit, and every screen says so
            left -= BATCH
            await agree(viewers, drop_id, left)
            await counted(shop, room_id, VIEWERS)
        print(f"all was right {time.monotonic() - killed_s:.1f} s after kill -9 of {role}")
        assert all(buyer.status in (200, 201) for buyer in crowd)
        assert [viewer.faults for viewer in viewers] == [[]] * VIEWERS
    # and no event means two things to two viewers of one epoch
    told: dict[tuple[str, int], str] = {}
    for viewer in viewers:
        for place, text in viewer.log.items():
            assert told.setdefault(place, text) == text
    # and the books are right, to the unit
    books = await shop.settle(drop_id)
    assert books["redis"]["available"] == left
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
    shop.system.command("audit")


async def counted(shop: Shop, room_id: str, online: int) -> None:
    """Waits until so many viewers are counted."""

    async def right() -> bool:
        found = await shop.ask("GET", f"/v1/rooms/{room_id}/people")
        return bool(found["online"] == online)

    await until(right)
