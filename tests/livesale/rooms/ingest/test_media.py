"""A real media server and real pushes: what a host and a player see of the hooks."""

import asyncio
import re
from pathlib import Path

import aiohttp
import pytest

from livesale.app import build_app
from livesale.rooms.keeper import RoomKeeper
from livesale.rooms.service import ROOM_S
from tests.livesale.api import Api
from tests.livesale.rooms.ingest.conftest import Pusher, Room, until_state
from tests.media import FFmpeg, Nginx, Watch
from tests.waiting import until


async def until_ended(push: FFmpeg) -> None:
    def has_ended() -> bool:
        return not push.running

    await until(has_ended)


async def test_a_push_goes_live_and_its_end_pauses(media: Nginx, room: Room, push: Pusher) -> None:
    # given a room that was announced
    assert await room.state() == "scheduled"
    # when its host pushes with the address that the host was given
    publishing = await room.publishing()
    first = push(publishing["url"])
    # then it is live, and the host sees the stream
    await until_state(room, "live")
    assert (await room.publishing())["on_air_ms"] is not None
    # when the push ends, then the room pauses
    first.stop()
    await until_state(room, "paused")
    assert (await room.publishing())["on_air_ms"] is None
    # when it begins again, with the same key, then the room is live again
    push(publishing["url"])
    await until_state(room, "live")


async def test_a_player_s_address_answers(media: Nginx, room: Room, push: Pusher) -> None:
    push((await room.publishing())["url"])
    await until_state(room, "live")
    # when a player asks for the address that viewers are given
    address = (await room.api.get(room.path)).body["play"]["hls"]
    found: list[str] = []
    async with aiohttp.ClientSession() as session:

        async def has_pieces() -> bool:
            async with session.get(address) as answer:
                found[:] = re.findall(r"^(?!#)\S+\.ts$", await answer.text(), re.MULTILINE)
                return answer.status == 200 and bool(found)

        await until(has_pieces)
        # then there are pieces of a transport stream
        async with session.get(address.rpartition("/")[0] + "/" + found[0]) as answer:
            piece = await answer.read()
    assert answer.status == 200
    assert len(piece) % 188 == 0 and piece[::188] == b"G" * (len(piece) // 188)


async def test_a_push_with_a_wrong_key_is_refused(media: Nginx, room: Room, push: Pusher) -> None:
    url = (await room.publishing())["url"]
    other = await room.another()
    foreign = (await other.publishing())["url"].partition("?")[2]
    wrong = [
        url[:-1] + ("A" if url[-1] != "A" else "B"),
        url.partition("?")[0],  # none at all
        f"{media.push_url}/{room.room_id}?{foreign}",  # another room's
        f"{url}&name={other.room_id}",  # arguments that would be fields
    ]
    for pushed in [push(address) for address in wrong]:
        await until_ended(pushed)
        assert pushed.process.returncode != 0
    assert await room.state() == "scheduled"
    assert await other.state() == "scheduled"


async def test_one_publisher_at_a_time(media: Nginx, room: Room, push: Pusher) -> None:
    url = (await room.publishing())["url"]
    first = push(url)
    await until_state(room, "live")
    second = push(url)
    await until_ended(second)
    assert second.process.returncode != 0
    assert first.running
    assert await room.state() == "live"


@pytest.mark.parametrize("verb", ["ban", "end"])
async def test_a_room_that_is_over_ends_its_stream(
    media: Nginx, room: Room, push: Pusher, verb: str
) -> None:
    url = (await room.publishing())["url"]
    pushed = push(url)
    await until_state(room, "live")
    # when the room is taken off the air
    await room.act(verb)
    # then the push ends by itself, and no other begins
    await until_ended(pushed)
    again = push(url)
    await until_ended(again)
    assert again.process.returncode != 0
    assert await room.state() == {"ban": "banned", "end": "ended"}[verb]


async def test_a_new_key_ends_the_old_one_and_its_stream(
    media: Nginx, room: Room, push: Pusher
) -> None:
    old = (await room.publishing())["url"]
    stolen = push(old)
    await until_state(room, "live")
    # when the host asks for another key
    new = (await room.api.post(f"{room.path}/publish", by=room.host)).body["url"]
    # then what came in by the old one ends, and it begins nothing any more
    assert await room.state() == "paused"
    await until_ended(stolen)
    again = push(old)
    await until_ended(again)
    assert await room.state() == "paused"
    push(new)
    await until_state(room, "live")


async def test_a_media_server_that_dies(
    media: Nginx, room: Room, push: Pusher, keeper: RoomKeeper
) -> None:
    url = (await room.publishing())["url"]
    first = push(url)
    await until_state(room, "live")
    # when it says nothing any more
    media.kill()
    await until_ended(first)

    async def has_paused() -> bool:
        await keeper.look()
        return await room.state() == "paused"

    # then the keeper pauses the room
    await until(has_paused)
    assert (await room.publishing())["silent"]
    # and the host's next push takes its place
    media.start()
    push(url)
    await until_state(room, "live")


async def test_a_stream_outlives_a_restart_of_livesale(
    media: Nginx, room: Room, push: Pusher, keeper: RoomKeeper
) -> None:
    pushed = push((await room.publishing())["url"])
    await until_state(room, "live")
    # when livesale is away for so long that the stream counts as silent
    await room.api.stop()

    async def has_paused() -> bool:
        await keeper.look()
        return await room.state() == "paused"

    await until(has_paused)
    assert pushed.running
    # then it goes on when livesale is back, with the session it had
    again = Api(build_app(room.api.deployment), room.api.deployment)
    await again.start(room.api.port)
    await until_state(room, "live")
    assert pushed.running
    await again.stop()


async def test_a_viewer_of_a_room_that_is_over_is_turned_away(
    media: Nginx, room: Room, push: Pusher, tmp_path: Path
) -> None:
    address = f"{media.push_url}/{room.room_id}"
    push((await room.publishing())["url"])
    await until_state(room, "live")
    watching = Watch(address, tmp_path)
    await until_ended(watching)
    assert watching.process.returncode == 0
    # when the room has ended, the media server is told not to show it
    await room.act("end")
    await asyncio.sleep(ROOM_S)  # the API may think so long that it goes on
    refused = Watch(address, tmp_path)
    await until_ended(refused)
    assert refused.process.returncode != 0
