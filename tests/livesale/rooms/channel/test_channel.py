"""The channel of a worker: nothing missed, nothing twice, whatever Redis does; and slow clients."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from livesale.app import PARTS
from livesale.database.errors import StoreUnavailable
from livesale.rooms.channel.channel import Channel
from livesale.rooms.channel.channels import IDLE_S, Channels
from livesale.rooms.channel.hub import Hub
from livesale.rooms.channel.ring import Ring, Sent
from livesale.rooms.copy import RoomCopy
from livesale.rooms.events import Stock, StockView
from livesale.rooms.keys import RoomKeys
from livesale.rooms.scripts import History, RoomGateway
from livesale.tasks import TABLE
from stock.errors import Unreachable
from tests.livesale.api import FAR_MS
from tests.livesale.rooms.conftest import Show, open_show
from tests.livesale.stage import open_stage
from tests.servers import Valkey
from tests.waiting import until


def sent(offset: int) -> Sent:
    return Sent(offset, b"{}", b"\x81\x02{}", False)


def test_a_ring_holds_the_last_events_in_order() -> None:
    ring = Ring("e", 0, 3)
    for offset in range(1, 6):
        ring.append(sent(offset))
    assert (ring.first, ring.last, len(ring)) == (2, 5, 3)
    assert [ring.reaches(after) for after in (-1, 1, 2, 5, 6)] == [False, False, True, True, False]
    assert [one.offset for one in ring.after(2)] == [3, 4, 5]
    assert [one.offset for one in ring.after(2, 2)] == [3, 4]
    assert ring.after(5) == []
    with pytest.raises(ValueError, match="does not follow"):
        ring.append(sent(7))


async def tick(gateway: RoomGateway, room_id: str, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        await gateway.append(room_id, Stock(stock=StockView("d", number, 10_000)))


async def reached(viewer: Any, offset: int) -> None:
    def there() -> bool:
        return bool(viewer.offset >= offset)

    await until(there)


async def offset_of(gateway: RoomGateway, room_id: str) -> int:
    found = await gateway.history(room_id, 0, 1)
    assert found is not None
    return found.offset


@pytest.mark.parametrize("fault", [Unreachable("redis is away"), StoreUnavailable("sql is away")])
async def test_a_newcomer_to_a_quiet_room_is_served_when_the_stores_are_back(
    show: Show, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    # given a room in which nothing happens, and stores that are away
    first = await show.viewer()
    await first.until("snapshot")
    channel = await show.api.app[PARTS][Channels].open(show.room_id)
    channel._snapshot = None
    image, asked = RoomGateway.image, []

    async def away(self: RoomGateway, room_id: str) -> Any:
        asked.append(room_id)
        if len(asked) < 3:
            raise fault
        return await image(self, room_id)

    monkeypatch.setattr(RoomGateway, "image", away)
    # when somebody comes, then it begins as soon as they are back
    second = await show.viewer()
    await second.until("snapshot")
    assert len(asked) == 3


async def test_a_channel_that_somebody_is_about_to_use_is_not_let_go(show: Show) -> None:
    channels = show.api.app[PARTS][Channels]
    channel = await channels.open(show.room_id)
    now = asyncio.get_running_loop().time()
    channel.idle_since = now - 10 * IDLE_S
    assert await channels.open(show.room_id) is channel
    assert channel.idle_since >= now


async def test_an_answer_that_events_have_overtaken_is_no_loss(
    show: Show, copy: RoomCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events and the history come by two connections: either may be late."""
    # given a viewer, and a history that is answered after what was published behind it
    viewer = await show.viewer()
    await viewer.until("snapshot")
    channel = await show.api.app[PARTS][Channels].open(show.room_id)
    history = RoomGateway.history

    async def late(self: RoomGateway, room_id: str, after: int, count: int) -> History | None:
        found = await history(self, room_id, after, count)
        last = channel.ring.last
        await tick(copy.gateway, room_id, 3)

        def overtaken() -> bool:
            return channel.ring.last >= last + 3

        await until(overtaken)
        return found

    epoch = channel.ring.epoch
    monkeypatch.setattr(RoomGateway, "history", late)
    # when the worker looks whether it has everything
    await channel.heal()
    # then nobody has to begin anew
    await reached(viewer, channel.ring.last)
    assert channel.ring.epoch == epoch
    assert [message["type"] for message in viewer.messages].count("snapshot") == 1
    assert viewer.faults == []


async def test_a_message_that_was_lost_is_fetched(
    show: Show, copy: RoomCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a worker that loses every third message
    viewer = await show.viewer()
    await viewer.until("snapshot")
    feed, count = Channel.feed, 0

    def lossy(self: Channel, message: str) -> bool:
        nonlocal count
        count += 1
        return True if count % 3 == 0 else feed(self, message)

    monkeypatch.setattr(Channel, "feed", lossy)
    # when events come, the last of them lost without a word
    await tick(copy.gateway, show.room_id, 60)
    # then the viewer has them all, by the look that is taken anyway
    await reached(viewer, await offset_of(copy.gateway, show.room_id))
    assert viewer.faults == []
    assert viewer.snapshots == 1


async def test_redis_that_is_killed_is_come_back_to(
    show: Show, copy: RoomCopy, redis_server: Valkey
) -> None:
    viewer = await show.viewer()
    await viewer.until("snapshot")
    await tick(copy.gateway, show.room_id, 5)
    redis_server.kill()
    redis_server.start()
    await asyncio.sleep(0.1)
    await tick(copy.gateway, show.room_id, 5, 5)
    await reached(viewer, await offset_of(copy.gateway, show.room_id))
    assert viewer.faults == []
    assert viewer.snapshots == 1


async def test_redis_that_came_back_without_the_last_events_ends_the_epoch(
    show: Show, copy: RoomCopy, redis: Redis
) -> None:
    # given a viewer who has seen five events
    viewer = await show.viewer()
    await viewer.until("snapshot")
    await tick(copy.gateway, show.room_id, 5)
    await reached(viewer, 6)
    epoch = viewer.epoch
    # when Redis forgets two of them, as a replica that was promoted may, and others come
    keys = RoomKeys.of(show.room_id)
    entries = await redis.xrange(keys.events_key, count=4)
    await redis.unlink(keys.events_key)
    for entry_id, fields in entries:
        await redis.xadd(keys.events_key, fields, id=entry_id)
    await redis.hset(keys.room_key, "offset", 4)
    await tick(copy.gateway, show.room_id, 3, 100)
    channel = await show.api.app[PARTS][Channels].open(show.room_id)
    await channel.heal()

    # then no number means two things: the viewer begins again in another epoch
    def anew() -> bool:
        return viewer.epoch != epoch and viewer.offset >= 1

    await until(anew)
    assert viewer.faults == []


async def test_two_workers_tell_the_same(show: Show, copy: RoomCopy) -> None:
    async with open_show(show.api.deployment) as other:
        other.room_id, other.path = show.room_id, show.path
        first, second = await show.viewer(), await other.viewer()
        await asyncio.gather(first.until("snapshot"), second.until("snapshot"))
        await tick(copy.gateway, show.room_id, 30)
        last = await offset_of(copy.gateway, show.room_id)
        await asyncio.gather(reached(first, last), reached(second, last))
        shared = first.log.keys() & second.log.keys()
        assert len(shared) == 30
        assert all(first.log[place] == second.log[place] for place in shared)


async def test_many_who_come_at_once_cost_redis_one_look(
    show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given what the worker asks Redis for
    asked = []
    run = RoomGateway.run

    async def counted(self: RoomGateway, verb: str, *rest: Any) -> Any:
        asked.append(verb)
        return await run(self, verb, *rest)

    monkeypatch.setattr(RoomGateway, "run", counted)
    # when fifty come
    viewers = await asyncio.gather(*(show.viewer() for _ in range(50)))
    await asyncio.gather(*(viewer.until("snapshot") for viewer in viewers))
    # then they share what was asked once, or once a second
    assert asked.count("snapshot") <= 5
    assert asked.count("history") <= 5


async def test_a_viewer_who_does_not_read_is_cut_off(
    redis: Redis, redis_server: Valkey, sqlite_url: str, tmp_path: Path
) -> None:
    flags = {"live__behind_events": 10, "live__behind_ms": 500}
    async with (
        open_stage(redis, redis_server.url, sqlite_url, tmp_path, **flags) as stage,
        open_show(stage) as show,
    ):
        # given a client that asks and never reads, and one that does
        good = await show.viewer()
        await good.until("snapshot")
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        slow.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(slow, ("127.0.0.1", show.api.port))
        head = (
            f"GET {show.path}/socket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        await loop.sock_sendall(slow, head.encode())
        hub = show.api.app[PARTS][Hub]

        def both() -> bool:
            return len(hub) == 2

        await until(both)
        # when there is a lot to say
        gateway = RoomCopy(stage).gateway
        filler = "x" * 20_000

        async def alone() -> bool:
            await gateway.append(show.room_id, Stock(stock=StockView(filler, 1, 1)))
            return len(hub) == 1

        await until(alone)
        slow.close()
        # then the other has missed nothing
        await reached(good, await offset_of(gateway, show.room_id))
        assert good.faults == []


async def test_a_viewer_who_is_gone_is_noticed(
    redis: Redis, redis_server: Valkey, sqlite_url: str, tmp_path: Path
) -> None:
    # given a client that is there no more, though its connection is
    async with (
        open_stage(redis, redis_server.url, sqlite_url, tmp_path, live__ping_s=1) as stage,
        open_show(stage) as show,
    ):
        hub = show.api.app[PARTS][Hub]
        alive = await show.viewer()
        frozen = await show.session.ws_connect(alive.url, autoping=False)
        await frozen.receive()

        def both() -> bool:
            return len(hub) == 2

        def alone() -> bool:
            return len(hub) == 1

        # when it answers no ping, then it is let go, and the one that does stays
        await until(both)
        await until(alone)
        assert alive.connected.is_set()
        await frozen.close()


async def test_a_viewer_who_comes_while_a_channel_is_let_go_hears_everything(
    show: Show, copy: RoomCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a channel that nobody uses, on a worker that is slow to end it
    channels = show.api.app[PARTS][Channels]
    channel = await channels.open(show.room_id)
    began, may_end = asyncio.Event(), asyncio.Event()
    close = Channel.close

    async def slow(self: Channel) -> None:
        began.set()
        await may_end.wait()
        await close(self)

    monkeypatch.setattr(Channel, "close", slow)
    channel.idle_since -= 10 * IDLE_S
    checking = asyncio.create_task(channels._check())
    await began.wait()
    # when somebody comes in that moment, and the end of the old one comes after that
    another = await channels.open(show.room_id)
    assert another is not channel
    may_end.set()
    await checking

    def ended() -> bool:
        return not any(task.get_name() == "rooms: let go" for task in channels._tasks._tasks)

    await until(ended)
    # then what is published comes by the subscription: nobody looks at the history
    heard = []
    feed = Channel.feed

    def hear(self: Channel, message: str) -> bool:
        heard.append(message)
        return feed(self, message)

    monkeypatch.setattr(Channel, "feed", hear)
    await tick(copy.gateway, show.room_id, 1)

    def there() -> bool:
        return bool(heard)

    await until(there)


async def test_a_malformed_publish_ends_nothing(show: Show, copy: RoomCopy, redis: Redis) -> None:
    # given viewers of two rooms on one worker
    async with open_another_room(show) as other:
        first, second = await show.viewer(), await other.viewer()
        await asyncio.gather(first.until("snapshot"), second.until("snapshot"))
        channels = show.api.app[PARTS][Channels]
        tasks = {task.get_name(): task for task in channels._tasks._tasks}
        listening = tasks["rooms: listen"]
        # when what is no event is published to the first
        name = RoomKeys.of(show.room_id).channel_key
        epoch, last = first.epoch, channels._channels[show.room_id].ring.last
        for message in (
            "",
            "nonsense",
            f"{epoch} x {{}}",
            f"{epoch} {last + 1} {{",
            f"{epoch} {last + 1} []",
            f'{epoch} {last + 1} {{"offset":"x","type":"stock"}}',
            f'{epoch} {last + 1} {{"offset":{last + 7},"type":"stock"}}',
            b"\xff\xfe \xff \xff",
        ):
            await redis.execute_command("SPUBLISH", name, message)
        # then both rooms go on, in the same epoch, by the same reader
        await tick(copy.gateway, show.room_id, 3)
        await tick(copy.gateway, other.room_id, 3)
        await reached(first, await offset_of(copy.gateway, show.room_id))
        await reached(second, await offset_of(copy.gateway, other.room_id))
        assert (first.faults, second.faults) == ([], [])
        assert (first.snapshots, second.snapshots) == (1, 1)
        assert not listening.done()
        assert TABLE.line("rooms: read").failures >= 8


async def test_an_event_that_cannot_be_read_is_passed_by_with_a_snapshot(
    show: Show, copy: RoomCopy, redis: Redis
) -> None:
    # given a room whose history has an event that no version of ours could read
    viewer = await show.viewer()
    await viewer.until("snapshot")
    await tick(copy.gateway, show.room_id, 3)
    last = await offset_of(copy.gateway, show.room_id)
    await reached(viewer, last)
    keys = RoomKeys.of(show.room_id)
    await redis.xadd(keys.events_key, {"e": '{"offset":'}, id=f"{last + 1}-0")
    await redis.hset(keys.room_key, "offset", last + 1)
    # when others follow it
    await tick(copy.gateway, show.room_id, 2)
    channel = await show.api.app[PARTS][Channels].open(show.room_id)
    await channel.heal()
    # then the viewer gets a snapshot of what it left, and what follows
    await reached(viewer, last + 3)
    assert viewer.snapshots == 2


async def test_a_fault_of_one_room_leaves_the_others_alone(
    show: Show, copy: RoomCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given viewers of two rooms, and a round of the first that fails once
    async with open_another_room(show) as other:
        first, second = await show.viewer(), await other.viewer()
        await asyncio.gather(first.until("snapshot"), second.until("snapshot"))
        whole, failed = Channel._round, []

        async def fail(self: Channel) -> None:
            if self.room_id == show.room_id and not failed:
                failed.append(self.room_id)
                raise ValueError("a defect")
            await whole(self)

        monkeypatch.setattr(Channel, "_round", fail)
        # when both have events
        await tick(copy.gateway, show.room_id, 3)
        await tick(copy.gateway, other.room_id, 3)
        # then both get them
        await reached(first, await offset_of(copy.gateway, show.room_id))
        await reached(second, await offset_of(copy.gateway, other.room_id))
        assert failed == [show.room_id]
        assert (first.faults, second.faults) == ([], [])


@asynccontextmanager
async def open_another_room(show: Show) -> AsyncIterator[Show]:
    """Another room on the same worker."""
    body = {"title": "Coffee", "host": "host", "starts_ms": FAR_MS}
    made = await show.api.post("/v1/rooms", body, by=show.api.boss)
    other = Show(show.api, made.body["room_id"], show.session)
    yield other
    await other.close()
