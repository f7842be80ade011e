"""Redis's clock is an hour ahead for a while, then right again: rooms go on from the present."""

import pytest
from redis.asyncio import Redis

from livesale.rooms.bags.events import BagPrize, BagView
from livesale.rooms.bags.scripts import BagGateway, EnterCode, OpenBagCode
from livesale.rooms.copy import RoomCopy
from livesale.rooms.people.scripts import (
    LEASE_MS,
    Counted,
    Pace,
    PeopleScripts,
    Report,
    SayCode,
    Words,
)
from livesale.rooms.scripts import TellCode
from stock.scripts import load_features
from tests.livesale.rooms.test_gateway import NEWS
from tests.stock.conftest import CLOCK_KEY, NOON

HOUR_MS = 3_600_000
# The scripts as they are, but for the clock: TIME cannot be set, a key can.
CLOCKED = load_features(
    replace={
        "now": f"local function now_ms()\n return tonumber(redis.call('GET', '{CLOCK_KEY}'))\nend"
    }
)


class Room:
    """A room whose scripts have a clock that the test sets."""

    def __init__(self, copy: RoomCopy, redis: Redis, room_id: str) -> None:
        self.gateway = BagGateway(copy.gateway._engine, history=100, scripts=CLOCKED)
        self.people = PeopleScripts(self.gateway, copy.person_ids)
        self.room_id = room_id
        self._redis = redis

    async def at(self, ms: int) -> None:
        await self._redis.set(CLOCK_KEY, ms)

    async def say(self, buyer_id: str) -> SayCode:
        pace = Pace(person_ms=2_000, person_burst=1, room_ms=1_000.0)
        words = Words(buyer_id, "viewer", "hi")
        return (await self.people.say(self.room_id, buyer_id, words, "", pace, kept=10)).code

    async def count(self, worker: str, viewers: int) -> Counted:
        found = await self.people.report(self.room_id, Report(worker, viewers, 0, 1), tick_ms=1_000)
        assert found is not None
        return found


@pytest.fixture
async def room(copy: RoomCopy, redis: Redis, room_id: str) -> Room:
    room = Room(copy, redis, room_id)
    await room.people.bring_restrictions(room_id, 1, {})
    await room.at(NOON)
    return room


async def test_comments_have_their_pace(room: Room) -> None:
    await room.at(NOON + HOUR_MS)
    assert await room.say("ann") is SayCode.SAID
    assert await room.say("bob") is SayCode.SAID
    await room.at(NOON + 10_000)
    assert await room.say("ann") is SayCode.SAID
    assert await room.say("ann") is SayCode.TOO_OFTEN
    await room.at(NOON + 14_000)
    assert await room.say("ann") is SayCode.SAID


async def test_a_host_is_missed(room: Room) -> None:
    await room.at(NOON + HOUR_MS)
    assert await room.gateway.beat(room.room_id)
    await room.at(NOON + 4_000)
    assert (await room.count("one", 1)).silence_ms == 0
    await room.at(NOON + 64_000)
    assert (await room.count("one", 1)).silence_ms == 60_000


async def test_viewers_of_a_worker_that_died_are_not_counted(room: Room) -> None:
    await room.at(NOON + HOUR_MS)
    await room.count("one", 5)
    await room.count("two", 7)
    await room.at(NOON + 4_000)
    assert (await room.count("one", 5)).wait_ms == 0  # told at once, not in an hour
    await room.at(NOON + 4_000 + LEASE_MS)
    assert (await room.count("one", 5)).people.online == 5


async def test_counts_of_a_drop_are_told(room: Room) -> None:
    async def tell(available: int, log_id: str) -> TellCode:
        news = NEWS.__class__("d1", log_id, "open", available, 10, 1, 9_999_999_999_999, NEWS.card)
        return (await room.gateway.tell(room.room_id, news, tick_ms=200))[0]

    await room.at(NOON + HOUR_MS)
    assert await tell(10, "5-0") is TellCode.TOLD
    await room.at(NOON + 4_000)
    assert await tell(9, "6-0") is TellCode.TOLD


async def test_a_stay_for_a_bag_begins_anew(room: Room) -> None:
    bag = BagView("b1", "b", "open", BagPrize(None, "c"), 1, 30_000, NOON + 2 * HOUR_MS, "")
    opened = await room.gateway.open_bag(
        room.room_id, bag, stay_ms=30_000, phrase="", keep_ms=1_000
    )
    assert opened is OpenBagCode.OPENED

    async def enter() -> tuple[EnterCode, int]:
        entered = await room.gateway.enter_bag(
            room.room_id, "b1", "ann", max_entries=10, gap_ms=60_000
        )
        return entered.code, entered.number

    await room.at(NOON + HOUR_MS)
    assert await enter() == (EnterCode.WAIT, 30_000)
    await room.at(NOON + 4_000)
    assert await enter() == (EnterCode.WAIT, 30_000)
    await room.at(NOON + 34_000)
    assert (await enter())[0] is EnterCode.ENTERED
