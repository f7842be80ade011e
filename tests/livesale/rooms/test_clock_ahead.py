"""Valkey's clock is an hour ahead for some seconds: keepers end nothing, rooms are told again."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from livesale.resources import Deployment
from livesale.rooms import director
from livesale.rooms.copy import RoomCopy
from livesale.rooms.keeper import RoomKeeper
from livesale.rooms.service import Rooms
from livesale.rooms.states import RoomState
from livesale.sales.expiry import Sweeper, Swept
from livesale.tasks import clock_steps
from stock.connection import connect
from stock.model import DropState
from tests.faults.shim import Shim, compile_shim
from tests.livesale.rooms.conftest import Show
from tests.livesale.stage import open_drop, open_stage, reserve
from tests.servers import Valkey
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("clock ahead")  # one fixture of the module for all of them

HOUR_S = 3_600


class ClockedValkey(Valkey):
    """A server whose clock the test sets."""

    shim: Shim

    async def is_ahead(self, stage: Deployment, seconds: int) -> None:
        """Set its clock, and wait: it keeps the time of its last turn for a moment."""
        self.shim.set("clock_offset_us", seconds * 1_000_000)

        async def is_so() -> bool:
            found_s = await stage.engine.now_ms() / 1000 - time.time()
            return abs(found_s - seconds) < HOUR_S / 2

        await until(is_so)


@pytest.fixture(scope="module")
def valkey() -> Iterator[ClockedValkey]:
    server = ClockedValkey()
    server.shim = Shim(server.folder, "valkey", compile_shim(server.folder))
    server.environment = server.shim.environment
    server.start()
    yield server
    server.remove()


@pytest.fixture
async def stage(valkey: ClockedValkey, tmp_path: Path) -> AsyncIterator[Deployment]:
    valkey.shim.set("clock_offset_us", 0)
    redis = connect(valkey.url, connections=16)
    await redis.flushall()
    flags = {"live__heartbeat_ms": 60_000, "live__people_ms": 60_000}
    sql_url = f"sqlite:///{tmp_path / 'sql.sqlite3'}"
    async with open_stage(redis, valkey.url, sql_url, tmp_path, **flags) as stage:
        yield stage
    await redis.aclose()


async def test_no_hold_ends_and_no_drop_closes(
    stage: Deployment, valkey: ClockedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a hold of ten minutes, in a drop of half an hour
    closes_ms = await stage.engine.now_ms() + HOUR_S * 500
    drop_id = await open_drop(stage, closes_ms=closes_ms)
    await reserve(stage, drop_id, ["ann"])
    sweeper = Sweeper(stage.engine, stage.keyspace.partition_of(drop_id))
    assert await sweeper.sweep() == Swept()
    # when the clock is an hour ahead for some sweeps, then nothing ends
    await valkey.is_ahead(stage, HOUR_S)
    for _ in range(3):
        assert await sweeper.sweep() == Swept()
    await valkey.is_ahead(stage, 0)
    assert await sweeper.sweep() == Swept()
    snapshot = await stage.engine.snapshot(drop_id)
    assert snapshot is not None
    assert (snapshot.state, snapshot.held) == (DropState.OPEN, 1)
    # but where it stays ahead it is believed
    await valkey.is_ahead(stage, HOUR_S)
    assert await sweeper.sweep() == Swept()
    monkeypatch.setattr(clock_steps, "BELIEVED_AFTER_S", 0.0)
    assert await sweeper.sweep() == Swept(expired=1, closed=1)


async def test_no_host_is_missed(
    on_air: Show,
    stage: Deployment,
    copy: RoomCopy,
    valkey: ClockedValkey,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def state() -> str:
        return (await Rooms(stage, copy).find(on_air.room_id)).state

    # given a room on air, whose host was heard a moment ago
    keeper = RoomKeeper(stage)
    await keeper.look()
    # when the clock is an hour ahead for some looks, then the room goes on
    await valkey.is_ahead(stage, HOUR_S)
    for _ in range(3):
        await keeper.look()
    assert await state() == RoomState.LIVE
    # but where it stays ahead it is believed
    monkeypatch.setattr(clock_steps, "BELIEVED_AFTER_S", 0.0)
    await keeper.look()
    assert await state() == RoomState.ABNORMAL


async def test_a_room_told_of_an_opening_too_early_is_told_again(
    on_air: Show,
    keeper: RoomKeeper,
    stage: Deployment,
    valkey: ClockedValkey,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # given a drop that opens in half an hour, and a viewer who counts it down
    monkeypatch.setattr(director, "LOOK_S", 0.05)
    drop_id = await on_air.drop(opens_ms=await stage.engine.now_ms() + HOUR_S * 500)
    await on_air.act(f"drops/{drop_id}/open", {"countdown_s": HOUR_S // 2})
    viewer = await on_air.viewer()

    async def phase(expected: str) -> None:
        def is_so() -> bool:
            return bool(viewer.drops.get(drop_id, {}).get("phase") == expected)

        async with asyncio.timeout(10):
            await until(is_so)

    await phase("opening")
    # when the clock is an hour ahead, then it is open, as Valkey says
    await valkey.is_ahead(stage, HOUR_S)
    await phase("open")
    # and when the clock is right again, nobody buys, and the viewer counts down again
    await valkey.is_ahead(stage, 0)
    await phase("opening")
