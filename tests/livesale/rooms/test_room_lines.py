"""What viewers of a room are told of the line in front of one of its drops."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from livesale.ledger.writer import Writer
from livesale.line.keeper import LineKeeper
from livesale.rooms.keeper import RoomKeeper
from tests.livesale.rooms.conftest import Show
from tests.livesale.stage import running


@asynccontextmanager
async def there(show: Show) -> AsyncIterator[None]:
    """The host's heart beats."""

    async def beat() -> None:
        while True:
            await show.act("heartbeat")
            await asyncio.sleep(0.2)

    beating = asyncio.create_task(beat())
    yield
    beating.cancel()


async def test_everybody_in_a_room_is_told_once_what_a_line_has_come_to(
    on_air: Show,
) -> None:
    stage, boss = on_air.api.deployment, on_air.api.boss
    # given a host who is there, two viewers, and two keepers that tell rooms
    rooms = running(RoomKeeper(stage)), running(RoomKeeper(stage))
    lines = running(Writer(stage)), running(LineKeeper(stage))
    async with lines[0], lines[1], rooms[0], rooms[1], there(on_air):
        viewers = [await on_air.viewer(stays=True) for _ in range(2)]
        drop_id = await on_air.drop(ticket_required=True)
        await on_air.api.post(f"/v1/admin/drops/{drop_id}/line", {}, by=boss)
        # when it gathers, opens, and is gone
        await on_air.act(f"drops/{drop_id}/open", {"countdown_s": 3})
        for viewer in viewers:
            await viewer.until("line", drop_id=drop_id, state="gathering", mode="turns")
            await viewer.until("line", drop_id=drop_id, state="open")
        await on_air.api.post(f"/v1/admin/drops/{drop_id}/close", by=boss)
        for viewer in viewers:
            await viewer.until("line", drop_id=drop_id, state="gone")
    # then each viewer has heard each state once, as numbered events
    for viewer in viewers:
        states = [one["line"]["state"] for one in viewer.messages if one["type"] == "line"]
        assert states == ["gathering", "open", "gone"]
        assert viewer.faults == []
