"""A Hypothesis state machine drives the real scripts and the twin side by side.

Random batches, payments, grants, endings, adjustments, state changes, clock steps (back as well),
epochs and SIGKILLs of the server in between; after every step both must have answered the same, and
at the end the log, folded, must be what both hold.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)
from msgspec.structs import replace
from redis.asyncio import Redis

from stock.connection import connect
from stock.engine import Engine
from stock.errors import FencedOff, ScriptRefused
from stock.ids import drop_of
from stock.keyspace import Keyspace
from stock.line.checks import commitment_of
from stock.line.model import LineMode, LineTerms, NextInLine
from stock.model import (
    ArchiveCode,
    Attempt,
    BatchOutcome,
    DropState,
    DropTerms,
    Fate,
    Grant,
    HoldState,
    Reservation,
    TakeBack,
    Ticket,
)
from stock.twin import TwinEngine
from tests.servers import Valkey
from tests.stock.conftest import CLOCKED, NOON, ClockedRedisEngine, World, terms

DROPS = ("shoes", "hats")
BUYERS = ("ann", "bob", "cat", "dan")
NAMES = "abcdefghijklmnop"
SEED = "5e" * 32

# Serials that repeat and fall as well as rise; a ticket may end between two steps of the clock.
tickets = st.one_of(
    st.none(),
    st.builds(
        Ticket,
        serial=st.integers(1, 12).map(lambda n: NOON * 1_000 + n),
        expires_ms=st.sampled_from([NOON + 10**7, NOON + 10**7, NOON, NOON + 10_000]),
    ),
)
attempts = st.lists(
    st.tuples(
        st.sampled_from(NAMES), st.sampled_from(BUYERS), st.sampled_from([1, 1, 2, 3]), tickets
    ),
    min_size=1,
    max_size=12,
)
drops = st.sampled_from((*DROPS, *DROPS, "socks"))  # socks are mostly unknown
picks = st.integers(0, 1_000)
openings = st.builds(
    lambda opens, lasts, campaign, **rest: terms(
        opens_ms=NOON + opens,
        closes_ms=NOON + opens + lasts,
        hold_ms=10_000,
        campaign_id="summer" if campaign else "",
        campaign_limit=campaign,
        **rest,
    ),
    campaign=st.sampled_from([0, 0, 2, 3, 5]),
    opens=st.sampled_from([-5_000, -1, 0, 0, 0, 5_000]),
    lasts=st.sampled_from([10**8, 10**8, 10**8, 10**7, 100_000, 2_000]),
    allotted=st.sampled_from([30, 30, 12, 7, 3, 0]),
    buyer_limit=st.sampled_from([2, 2, 3, 8]),
    expired_limit=st.sampled_from([1, 1, 2, 0]),
    price_fen=st.sampled_from([9_900, 9_900, 0]),
    ticket_required=st.sampled_from([False, False, True]),
)


class EngineMachine(RuleBasedStateMachine):
    """The same call on both engines; any difference fails with a minimal history."""

    server: Valkey  # set by the test

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.keyspace = Keyspace(2)
        self.twin = TwinEngine(self.keyspace)
        self.model = World(self.twin)
        self.twin.clock = self.model.clock
        self.payments = 0
        self.archived: set[str] = set()  # SQL would not open them again
        self.loop.run_until_complete(self._connect(empty=True))

    async def _connect(self, *, empty: bool = False) -> None:
        self.redis: Redis = connect(self.server.url, connections=2)
        if empty:
            await self.redis.flushall()
            for partition in range(2):
                await self.redis.set(self.keyspace.epoch(partition), 1)
        self.engine = ClockedRedisEngine(self.redis, self.keyspace, self.twin.epochs, CLOCKED)
        self.real = World(self.engine)
        await self.real.at(self.model.clock())

    def teardown(self) -> None:
        self.loop.run_until_complete(self.check_the_whole())
        self.loop.run_until_complete(self.redis.aclose())
        self.loop.close()

    def both(self, call: Callable[[Engine], Awaitable[Any]]) -> Any:
        """Run on the real one and on the twin; both must answer, or fail, alike."""

        async def run(engine: Engine) -> Any:
            try:
                return await call(engine)
            except (FencedOff, ScriptRefused) as refusal:
                return type(refusal)

        async def run_both() -> tuple[Any, Any]:
            return await run(self.engine), await run(self.twin)

        real, twin = self.loop.run_until_complete(run_both())
        assert real == twin
        return real

    @initialize(first=openings, second=openings)
    def open_both(self, first: DropTerms, second: DropTerms) -> None:
        for drop, its_terms in zip(DROPS, (first, second), strict=True):
            self.open_drop(drop, its_terms)

    @rule(drop=st.sampled_from((*DROPS, "socks")), its_terms=openings)
    def open_drop(self, drop: str, its_terms: DropTerms) -> None:
        if drop not in self.archived:
            self.both(lambda engine: engine.open_drop(drop, its_terms))

    @rule(drop=drops, wanted=attempts)
    def reserve(self, drop: str, wanted: list[tuple[str, str, int, Ticket | None]]) -> None:
        batch = [Attempt(f"{drop}-{name * 16}", buyer, n, t) for name, buyer, n, t in wanted]
        answer: BatchOutcome = self.both(lambda engine: engine.reserve(drop, batch))
        assert len(answer.outcomes) == len(batch)

    def pick(self, number: int) -> Reservation:
        """One of the claims there are, or of none: what the next verb is tried on."""
        claims = [c for drop in self.twin._drops.values() for c in drop.reservations.values()]
        ended = [c for c in claims if c.state not in (HoldState.HELD, HoldState.SOLD)]
        claims += ended * 3  # late money is the rare and the dangerous case
        unknown = Reservation(f"shoes-{'z' * 16}", HoldState.HELD, "ann", 1, 9_900, 0)
        return [*claims, unknown][number % (len(claims) + 1)]

    @rule(number=picks, again=st.booleans(), off=st.sampled_from([0, 0, 0, 0, -1, 1]))
    def confirm(self, number: int, again: bool, off: int) -> None:
        claim = self.pick(number)
        self.payments += not again
        payment, amount = f"pay{self.payments}", claim.amount_fen + off
        self.both(lambda engine: engine.confirm(claim.rid, payment, amount))

    @rule(drop=drops, wanted=attempts, numbers=st.lists(picks, max_size=4))
    def grant(
        self, drop: str, wanted: list[tuple[str, str, int, Ticket | None]], numbers: list[int]
    ) -> None:
        """Some that are new or were answered before, and some claims of the drop as they are."""
        batch = [Grant(f"{drop}-{name.upper() * 16}", buyer, n) for name, buyer, n, _ in wanted]
        claims = map(self.pick, numbers)
        batch += [Grant(c.rid, c.buyer_id, c.quantity) for c in claims if drop_of(c.rid) == drop]
        self.both(lambda engine: engine.grant(drop, "bag; 1|", batch))

    @rule(number=picks, buyer=st.sampled_from([None, None, None, "ann"]))
    def release(self, number: int, buyer: str | None) -> None:
        claim = self.pick(number)
        owner = buyer or claim.buyer_id
        self.both(lambda engine: engine.release(claim.rid, owner))

    @rule(numbers=st.lists(picks, min_size=1, max_size=8))
    def expire(self, numbers: list[int]) -> None:
        """Some too early, some of another drop, some twice."""
        claims = [self.pick(number) for number in numbers]
        drop = drop_of(claims[0].rid)
        self.both(lambda engine: engine.expire(drop, [claim.rid for claim in claims]))

    @rule(step_ms=st.sampled_from([0, 10_000, 10_000, 20_000]))
    def sweep(self, step_ms: int) -> None:
        """What the keeper does, after a while."""
        self.step_the_clock(step_ms)
        for partition in range(2):
            due = self.both(lambda engine, n=partition: engine.due(n, 100))
            for member in due:
                drop, dash, _ = member.partition("-")
                if dash:
                    self.both(lambda engine, d=drop, m=member: engine.expire(d, [m]))
                else:
                    self.both(lambda engine, d=drop: engine.close_drop(d, only_when_due=True))

    @rule(
        drop=drops,
        key=st.sampled_from("xyz"),
        delta=st.integers(-6, 6).filter(bool),
        reason=st.text(max_size=10),
    )
    def adjust(self, drop: str, key: str, delta: int, reason: str) -> None:
        self.both(lambda engine: engine.adjust_drop(drop, key, delta, reason))

    @rule(
        number=picks,
        key=st.sampled_from("tuvw"),
        units=st.integers(1, 3),
        fate=st.sampled_from(list(Fate)),
        reason=st.text(max_size=10),
    )
    def take_back(self, number: int, key: str, units: int, fate: Fate, reason: str) -> None:
        """Some that are sold and some that are not, with ids that were used before."""
        sold = [
            claim
            for drop in self.twin._drops.values()
            for claim in drop.reservations.values()
            if claim.state is HoldState.SOLD
        ]
        claim = sold[number % len(sold)] if sold and number % 4 else self.pick(number)
        back = TakeBack(claim.rid, key, units, fate, reason)
        self.both(lambda engine: engine.take_back(back))

    @rule(drop=drops, verb=st.sampled_from(["resume_drop", "resume_drop", "pause_drop"]))
    def change_state(self, drop: str, verb: str) -> None:
        self.both(lambda engine: getattr(engine, verb)(drop))

    @rule(drop=drops, chance=st.integers(0, 9))
    def close(self, drop: str, chance: int) -> None:
        if chance:
            return
        self.both(lambda engine: engine.close_drop(drop))

    @rule(drop=st.sampled_from(DROPS), behind=st.sampled_from([0, 0, 0, 1]), off=st.integers(0, 3))
    def archive(self, drop: str, behind: int, off: int) -> None:
        """What the keeper does with a finished drop; rarely with books that are not SQL's."""
        snapshot = self.loop.run_until_complete(self.twin.snapshot(drop))
        if snapshot is None or (snapshot.state is not DropState.CLOSED and off):
            return
        books = replace(snapshot.books, burned=snapshot.burned + (off == 1))
        offsets = []
        for world in (self.real, self.model):
            log = self.loop.run_until_complete(world.log_of(drop))
            offsets.append(log[-1 - behind].id if len(log) > behind else "0-0")

        line = self.twin.line.lines.get(drop)
        places = (line.n if line else 0) + (off == 2)

        async def archive(engine: Engine) -> ArchiveCode:
            offset = offsets[engine is self.twin]
            return await engine.archive_drop(drop, books, snapshot.reservations, offset, places)

        if self.both(archive) is ArchiveCode.ARCHIVED:
            self.archived.add(drop)

    @rule(
        drop=drops,
        off=st.sampled_from([0, 0, 0, 1]),
        capacity=st.sampled_from([3, 50, 50]),
        mode=st.sampled_from(LineMode),
    )
    def open_line(self, drop: str, off: int, capacity: int, mode: LineMode) -> None:
        terms = LineTerms(commitment_of(SEED), 5_000 + off, 20, capacity, mode)
        self.both(lambda engine: engine.line.open(drop, terms))

    @rule(drop=drops, who=st.lists(st.sampled_from(NAMES), min_size=1, max_size=8))
    def join(self, drop: str, who: list[str]) -> None:
        self.both(lambda engine: engine.line.join(drop, who))

    @rule(drop=drops, who=st.sampled_from(NAMES))
    def leave(self, drop: str, who: str) -> None:
        self.both(lambda engine: engine.line.leave(drop, who))

    @rule(drop=drops, seed=st.sampled_from([SEED, SEED, SEED, "00" * 32]))
    def close_line(self, drop: str, seed: str) -> None:
        self.both(lambda engine: engine.line.close(drop, seed))

    @rule(
        drop=drops,
        off=st.sampled_from([0, 0, 0, 1]),
        promised=st.integers(0, 12),
        per_mille=st.sampled_from([1_000, 600, 333, 2_500, 1]),
        step_ms=st.sampled_from([0, 250, 250, 1_000]),
    )
    def serve(self, drop: str, off: int, promised: int, per_mille: int, step_ms: int) -> None:
        self.step_the_clock(step_ms)
        line = self.twin.line.lines.get(drop)
        serving = (line.serving if line else 0) + off
        self.both(lambda engine: engine.line.serve(drop, serving, promised, per_mille))

    @rule(
        drop=drops,
        off=st.sampled_from([0, 0, 0, 1]),
        most=st.integers(0, 5),
        shift=st.sampled_from([0, 0, 0, 1]),
    )
    def hold(self, drop: str, off: int, most: int, shift: int) -> None:
        """For the next in the order of joining; sometimes with a place that is somebody else's."""
        line = self.twin.line.lines.get(drop)
        serving = (line.serving if line else 0) + off
        places = sorted((p.index, name) for name, p in line.places.items()) if line else []
        some = [
            NextInLine(f"{drop}-{f'{name}-{index}':z<16}", name, index + shift)
            for index, name in places
            if index >= serving
        ][:most]
        self.both(lambda engine: engine.line.hold(drop, serving, some))

    @rule(step_ms=st.sampled_from([1, 500, 5_000, 9_999, 10_000, -3_000]))
    def step(self, step_ms: int) -> None:
        self.step_the_clock(step_ms)

    def step_the_clock(self, step_ms: int) -> None:
        self.loop.run_until_complete(self.model.later(step_ms))
        self.loop.run_until_complete(self.real.later(step_ms))

    @rule(drop=drops, follow=st.sampled_from([True, True, True, False]), chance=st.integers(0, 9))
    def raise_the_epoch(self, drop: str, follow: bool, chance: int) -> None:
        """As `recover` would; the process follows, or is fenced off for good."""
        if chance:
            return
        for world in (self.model, self.real):
            self.loop.run_until_complete(world.raise_epoch(drop))
        if follow:
            partition = self.keyspace.partition_of(drop)
            for engine in (self.twin, self.engine):
                engine.epochs[partition] = self.twin._true_epochs[partition]

    @rule(chance=st.integers(0, 3))
    def kill_the_server(self, chance: int) -> None:
        """SIGKILL: what was answered was on disk before, `appendfsync always`."""
        if chance:
            return
        self.loop.run_until_complete(self.redis.aclose())
        self.server.kill()
        self.server.start()
        self.loop.run_until_complete(self._connect())

    @invariant()
    def the_books_agree(self) -> None:
        for drop in DROPS:
            real, twin = self.loop.run_until_complete(self._snapshots(drop))
            assert real == twin
            real, twin = self.loop.run_until_complete(self._lines(drop))
            assert real == twin
        real, twin = self.loop.run_until_complete(self._campaigns())
        assert real == twin

    async def _campaigns(self) -> tuple[dict[str, int], dict[str, int]]:
        """What buyers have of campaigns with a limit: in Redis, and in memory."""
        real: dict[str, int] = {}
        for partition in range(self.keyspace.partitions):
            key = self.keyspace.campaigns(partition)
            found = await self.engine.redis.hgetall(key)
            real |= {
                f"{partition}|{name}": int(units) for name, units in found.items() if units != "0"
            }
        twin = {
            f"{partition}|{campaign}|{buyer}": units
            for (partition, campaign), some in self.twin.of_campaigns.items()
            for buyer, units in some.items()
            if campaign and units
        }
        return real, twin

    async def _lines(self, drop: str) -> list[Any]:
        """The lines but for ids of the log, which differ."""
        found = []
        for world in (self.real, self.model):
            line = await world.engine.line.snapshot(drop, after=2)
            closed = bool(line and line.closing_id)
            found.append((line and replace(line, log_id="", closing_id=""), closed))
        return found

    async def _snapshots(self, drop: str) -> list[Any]:
        found = []
        for world in (self.real, self.model):
            s = await world.engine.snapshot(drop)
            found.append(s and (s.state, s.terms, s.available, s.held, s.sold, s.burned, s.epoch))
        return found

    async def check_the_whole(self) -> None:
        for drop in DROPS:
            real, twin = await self.real.state(drop), await self.model.state(drop)
            assert real[1:] == twin[1:]


@pytest.mark.timeout(600)
def test_scripts_and_twin_never_differ() -> None:
    server = Valkey()
    server.start()
    EngineMachine.server = server
    try:
        machine = EngineMachine.TestCase
        machine.settings = settings(
            max_examples=int(os.environ.get("MACHINE_EXAMPLES", "60")),
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        machine().runTest()
    finally:
        server.remove()
