"""Both engines behind one fixture, with a clock that the test moves."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from stock.connection import connect
from stock.entries import LogEntry, decode
from stock.fold import Fold
from stock.gateway import RedisEngine
from stock.ids import START
from stock.keyspace import Keyspace
from stock.line.fold import FoldedLine
from stock.log import LogReader
from stock.model import DropTerms, Reservation, Snapshot
from stock.scripts import load_engine
from stock.twin import TwinEngine

CLOCK_KEY = "test:now"
# The scripts as they are, but for the clock: TIME cannot be set, a key can.
CLOCKED = load_engine(
    replace={
        "now": f"local function now_ms()\n return tonumber(redis.call('GET', '{CLOCK_KEY}'))\nend"
    }
)
NOON = 1_790_000_000_000


def terms(**changes: Any) -> DropTerms:
    """Terms of a drop that opened a second ago, sells for an hour and holds for a minute."""
    usual: dict[str, Any] = {
        "opens_ms": NOON - 1_000,
        "closes_ms": NOON + 3_600_000,
        "hold_ms": 60_000,
        "buyer_limit": 3,
        "price_fen": 9_900,
        "allotted": 10,
        "expired_limit": 2,
    }
    return DropTerms(**(usual | changes))


class ClockedRedisEngine(RedisEngine):
    """The real engine with the scripts' clock in a key."""

    async def now_ms(self, partition: int | None = None) -> int:
        return int(await self.redis.get(CLOCK_KEY))


class World:
    """An engine, its clock and its log, whichever engine it is."""

    def __init__(self, engine: TwinEngine | ClockedRedisEngine) -> None:
        self.engine = engine
        self.keyspace = engine.keyspace
        self._now = NOON

    async def at(self, ms: int) -> None:
        """Move the clock, forward or back."""
        self._now = ms
        if isinstance(self.engine, RedisEngine):
            await self.engine.redis.set(CLOCK_KEY, ms)

    async def later(self, ms: int) -> None:
        await self.at(self._now + ms)

    def clock(self) -> int:
        return self._now

    async def entries(self) -> list[LogEntry]:
        """The whole log, partition after partition."""
        if isinstance(self.engine, TwinEngine):
            return [entry for log in self.engine.log.values() for entry in log]
        found: list[LogEntry] = []
        for partition in range(self.keyspace.partitions):
            reader = LogReader(self.engine.redis, self.keyspace.log(partition))
            found += [decode(*raw) for raw in await reader.between(START, "+")]
        return found

    async def log_of(self, drop_id: str) -> list[LogEntry]:
        """The log of the partition that owns a drop."""
        partition = self.keyspace.partition_of(drop_id)
        entries = await self.entries()
        return [
            entry for entry in entries if self.keyspace.partition_of(entry.drop_id) == partition
        ]

    async def raise_epoch(self, drop_id: str) -> None:
        """What `recover` does behind the back of a running process."""
        partition = self.keyspace.partition_of(drop_id)
        if isinstance(self.engine, TwinEngine):
            self.engine.fence(partition)
        else:
            await self.engine.redis.incr(self.keyspace.epoch(partition))

    async def state(self, drop_id: str) -> tuple[Snapshot | None, dict[str, Reservation], int]:
        """All there is to know of a drop, to be compared whole: books, reservations, log length."""
        snapshot = await self.engine.snapshot(drop_id)
        entries = [entry for entry in await self.entries() if entry.drop_id == drop_id]
        fold = Fold()
        for entry in entries:
            fold.apply(entry)  # raises when an entry does not follow from those before it (I2)
        for rid, claim in fold.reservations.items():
            # A drop that was archived is known no more.
            expected = claim if snapshot is not None else None
            assert await self.engine.reservation(rid) == expected
        await self.check_line(drop_id, fold.lines.lines.get(drop_id), is_there=snapshot is not None)
        if snapshot is not None:
            assert fold.books[drop_id].balanced
            assert fold.books[drop_id] == snapshot.books
            assert fold.states[drop_id] is snapshot.state
            assert len(fold.reservations) == snapshot.reservations
        return snapshot, fold.reservations, len(entries)

    async def check_line(self, drop_id: str, folded: FoldedLine | None, *, is_there: bool) -> None:
        """The log, folded, is the line: state, turns, and the place of each buyer (I13)."""
        line = await self.engine.line.snapshot(drop_id)
        if folded is None or not is_there:
            assert line is None
            return
        assert line is not None
        assert (line.terms, line.state, line.n) == (folded.terms, folded.state, folded.n)
        assert (line.seed, line.closing_id, line.left) == (
            folded.seed,
            folded.closing_id,
            folded.left,
        )
        assert (list(line.turns), line.serving) == (folded.turns, folded.serving)
        if folded.n0 is not None:
            assert line.n0 == folded.n0
        for buyer_id, place in folded.places.items():
            assert await self.engine.line.place(drop_id, buyer_id) == place


@pytest.fixture(params=["twin", "redis"])
async def world(request: pytest.FixtureRequest, keyspace: Keyspace) -> AsyncIterator[World]:
    """One contract, two engines."""
    if request.param == "twin":
        engine = TwinEngine(keyspace)
        world = World(engine)
        engine.clock = world.clock
        yield world
        return
    redis = connect(request.getfixturevalue("redis_server").url, connections=16)
    await redis.flushall()
    for partition in range(keyspace.partitions):
        await redis.set(keyspace.epoch(partition), 1)
    epochs = dict.fromkeys(range(keyspace.partitions), 1)
    world = World(ClockedRedisEngine(redis, keyspace, epochs, CLOCKED))
    await world.at(NOON)
    yield world
    await redis.aclose()
