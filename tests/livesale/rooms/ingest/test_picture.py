"""The picture of a room in a browser: a real push, a real media server, the built page."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import expect

from tests.livesale.rooms.ingest.conftest import Pusher, Room, until_state
from tests.media import Nginx
from tests.phones import OpenPhone, buy_in_room, phones
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


@pytest.mark.parametrize(
    "plays_hls",
    [
        True,
        pytest.param(
            False,
            marks=[
                pytest.mark.soak,
                pytest.mark.xfail(strict=True, reason="hls.js shows no picture: not understood"),
            ],
        ),
    ],
)
async def test_a_picture_plays_and_buying_never_needs_it(
    media: Nginx, room: Room, push: Pusher, open_phone: OpenPhone, plays_hls: bool
) -> None:
    # Given a stream, and an item that the room sells
    push((await room.publishing())["url"])
    await until_state(room, "live")
    await sell(room)
    # When a phone looks that plays HLS itself, or needs hls.js
    phone = await open_phone()
    if not plays_hls:
        await phone.page.add_init_script(NO_HLS)
    await phone.page.goto(f"{room.api.url}/shop/#/pages/room/index?id={room.room_id}")

    # Then it sees a picture that moves
    async def is_moving() -> bool:
        return bool(await phone.page.evaluate(IS_MOVING))

    await until(is_moving)
    await expect(phone.page.locator(".picture .cover")).to_have_count(0)
    assert phone.complaints == []
    # When the media server goes away, then the cover is back, and they can buy
    media.kill()
    await expect(phone.page.locator(".picture .cover").first).to_be_visible(timeout=WAIT_MS)
    await buy_in_room(phone.page)


async def sell(room: Room) -> None:
    """A drop of the room that sells, pinned."""
    api = room.api
    drop = await api.create_drop(allotted=5, room_id=room.room_id)
    body = {"drop_id": drop["drop_id"], "state": "on_sale"}
    item = await api.post(f"{room.path}/items", body, by=room.host)
    assert item.status == 201, item.body
    pinned = await api.post(f"{room.path}/items/{item.body['item_id']}/pin", by=room.host)
    assert pinned.status == 200, pinned.body
    path = f"{room.path}/drops/{drop['drop_id']}/open"
    opened = await api.post(path, {"countdown_s": 0}, by=room.host)
    assert opened.status == 200, opened.body
