"""kill -9 of an API worker and of Redis: who is in a room becomes right. `pytest -s` says when."""

import asyncio
import time

import pytest

from tests.e2e.system import FAR_MS, Shop
from tests.livesale.rooms.viewer import Viewer

pytestmark = pytest.mark.xdist_group("rooms")  # one system for all of them

VIEWERS = 24


async def count(shop: Shop, room_id: str) -> dict[str, int]:
    found: dict[str, int] = await shop.ask("GET", f"/v1/rooms/{room_id}/people")
    return found


async def counted(shop: Shop, room_id: str, online: int) -> float:
    """Waits until so many are counted, and stay so for two seconds. How long it took, in s."""
    began = time.monotonic()
    right_s = None
    async with asyncio.timeout(60):
        while right_s is None or time.monotonic() - right_s < 2.0:
            if (await count(shop, room_id))["online"] != online:
                right_s = None
            elif right_s is None:
                right_s = time.monotonic()
            await asyncio.sleep(0.1)
    return right_s - began


@pytest.mark.parametrize("role", ["api-0", pytest.param("redis", marks=pytest.mark.soak)])
async def test_who_is_here_is_right_after_kill_9(shop: Shop, role: str) -> None:
    # given viewers on two workers, who come back when they are cut off, and some likes
    new = {"title": "Shoes tonight", "host": "host", "starts_ms": FAR_MS}
    made = await shop.operate("POST", "/v1/rooms", new)
    room_id = made["room_id"]
    viewers = [Viewer(shop.client, shop.system.url, room_id) for _ in range(VIEWERS)]
    watching = [asyncio.create_task(viewer.stay()) for viewer in viewers]
    await counted(shop, room_id, VIEWERS)
    token = shop.system.tokens(1)[0]
    likes = {"Authorization": f"Bearer {token}"}
    await shop.ask("POST", f"/v1/rooms/{room_id}/likes", {"count": 7}, **likes)
    await viewers[0].until("people", likes=7)
    # when a process is killed, and one viewer in four is gone with it
    for task in watching[: VIEWERS // 4]:
        task.cancel()
    await shop.system.kill(role)
    # then those are counted who are there; none is a peak twice, and the likes are all there
    right_s = await counted(shop, room_id, VIEWERS * 3 // 4)
    print(f"who is here was right {right_s:.1f} s after kill -9 of {role}")
    found = await count(shop, room_id)
    assert (found["peak"], found["likes"]) == (VIEWERS, 7)
    assert [viewer.faults for viewer in viewers] == [[]] * VIEWERS
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
