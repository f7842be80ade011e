"""The picture of a room in a browser: a real push, a real media server, the built page."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import expect

from tests.livesale.rooms.ingest.conftest import Pusher, Room, until_state
from tests.media import Nginx
from tests.phones import OpenPhone, phones
from tests.waiting import until

pytestmark = pytest.mark.slow

WAIT_MS = 30_000
# As a browser that plays no HLS by itself.
NO_HLS = "HTMLMediaElement.prototype.canPlayType = () => ''"
IS_MOVING = """() => {
  const video = document.querySelector('.picture video')
  return video !== null && video.currentTime > 0.5 && video.videoWidth > 0
}"""


@pytest.fixture
async def open_phone() -> AsyncIterator[OpenPhone]:
    async with phones("--autoplay-policy=no-user-gesture-required") as opened:
        yield opened


@pytest.mark.parametrize("plays_hls", [True, pytest.param(False, marks=pytest.mark.soak)])
async def test_a_picture_plays_and_gives_way_to_the_cover(
    media: Nginx, room: Room, push: Pusher, open_phone: OpenPhone, plays_hls: bool
) -> None:
    # Given a stream
    push((await room.publishing())["url"])
    await until_state(room, "live")
    # When a phone looks that plays HLS itself, or needs hls.js
    phone = await open_phone()
    if not plays_hls:
        await phone.page.add_init_script(NO_HLS)
    await phone.page.goto(f"{room.api.url}/shop/#/pages/room/index?id={room.room_id}")

    # Then it sees a picture that moves
    async def is_moving() -> bool:
        return bool(await phone.page.evaluate(IS_MOVING))

    await until(is_moving)
    # And the item that the host shows is on it
    await pin(room)
    await expect(phone.page.locator(".pinned")).to_contain_text("Tea", timeout=WAIT_MS)
    await expect(phone.page.locator(".picture .cover")).to_have_count(0)
    assert phone.complaints == []
    # When the media server goes away, then the cover is back
    media.kill()
    await expect(phone.page.locator(".picture .cover").first).to_be_visible(timeout=WAIT_MS)


async def pin(room: Room) -> None:
    """Show an item that has a sale, which has not begun."""
    by = room.api.boss
    drop_id = (await room.api.create_drop())["drop_id"]
    assert (await room.api.ask("PUT", f"{room.path}/drops/{drop_id}", by=by)).status == 200
    new = {"drop_id": drop_id, "state": "on_sale"}
    item = await room.api.post(f"{room.path}/items", new, by=by)
    pinned = await room.api.post(f"{room.path}/items/{item.body['item_id']}/pin", by=by)
    assert pinned.status == 200, pinned.body
