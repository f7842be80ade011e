"""An API worker: an event loop on a core, with the batcher, the sold-out flag and the thief.

In a tick it takes what has come, requests and replies, computes for as long as all of that costs,
and then sends what may be sent: a call of up to 256 attempts for a bucket, two calls at a time.
"""

from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Any, cast

import simpy
from msgspec import Struct, field

from benchmarks.simulation.buckets import Drop, Look
from benchmarks.simulation.costs import Costs
from benchmarks.simulation.hardware import Bell, Core, Steps
from benchmarks.simulation.primary import Call, Primary

MAX_BATCH = 256
MAX_IN_FLIGHT = 2
SOLD_OUT_S = 0.2
CLAIM_S = 1.0
POLL_S = 0.005  # a thief's, while another one fetches units for its bucket


class Ask(Struct, eq=False):
    """A buyer's attempt."""

    buyer: int
    at_s: float


class Lane(Struct):
    """What waits for one bucket, and how many calls to it are away."""

    queue: deque[Ask] = field(default_factory=deque)
    away: int = 0
    short: list[Ask] = field(default_factory=list)  # found it empty: they wait for the thief


class Rules(Struct, frozen=True):
    """How a worker works. `http`: its attempts come over HTTP. `claims`: one thief for a bucket at
    a time. Each `dies_every`-th thief dies between give and take; 0: none."""

    max_batch: int = MAX_BATCH
    http: bool = True
    claims: bool = True
    dies_every: int = 0


class Worker:
    """`answered` is called with each ask and its answer, at the time of the answer."""

    def __init__(
        self,
        env: simpy.Environment,
        costs: Costs,
        core: Core,
        drop: Drop,
        primaries: list[Primary],
        ids: "count[int]",
        rules: Rules,
        answered: Callable[[Ask, str], None],
    ) -> None:
        self._env, self._costs, self.core = env, costs, core
        self._drop, self._primaries, self._rules = drop, primaries, rules
        self._ids = ids
        self._name = next(ids)
        self._answered = answered
        self._inbox: list[Ask] = []
        self._replies: list[tuple[Call, Callable[[Call], None]]] = []
        self._owed_s = 0.0
        self._nudged = False
        self._bell = Bell(env)
        self._lanes = [Lane() for _ in drop.buckets]
        self._sold_out_until_s: float | None = None
        self._probing = False
        self._hunts = False
        self._behind: list[Ask] = []
        env.process(self._live())

    def ask(self, ask: Ask) -> None:
        """A request comes; without HTTP there is nothing to read, and it joins its lane at once."""
        if self._rules.http:
            self._inbox.append(ask)
            self._bell.ring()
        else:
            self._route(ask)
            self._nudge()

    def _live(self) -> Steps:
        costs = self._costs
        while True:
            if not (self._inbox or self._replies or self._nudged):
                yield self._bell.sleep()
            self._nudged = False
            inbox, self._inbox = self._inbox, []
            replies, self._replies = self._replies, []
            for call, answer in replies:
                yield from self.core.use(costs.engine.of(call.attempts) / 2)
                answer(call)
                yield from self._flush()
            yield from self.core.use(self._reading_s(inbox))
            for ask in inbox:
                self._route(ask)
            yield from self._flush()

    def _reading_s(self, inbox: list[Ask]) -> float:
        """The time for requests, and for what the thief has sent since the last tick."""
        owed_s, self._owed_s = self._owed_s, 0.0
        each_s = self._costs.shortcut if self._flagged() else self._costs.request
        return owed_s + len(inbox) * each_s

    def _flagged(self) -> bool:
        until_s = self._sold_out_until_s
        return until_s is not None and self._env.now < until_s

    def _route(self, ask: Ask) -> None:
        number = self._drop.bucket_of(ask.buyer)
        if self._sold_out_until_s is None or ask.buyer in self._drop.buckets[number].buyers:
            self._lanes[number].queue.append(ask)  # a retry must get its first answer
        elif self._flagged():
            self._answered(ask, "sold_out")
        elif self._probing:
            self._behind.append(ask)
        else:
            self._probing = True
            self._lanes[number].queue.append(ask)

    def _flush(self) -> Steps:
        """Send what may be sent, each call after the time that it takes to write it."""
        for number, lane in enumerate(self._lanes):
            while lane.queue and lane.away < MAX_IN_FLIGHT:
                size = min(len(lane.queue), self._rules.max_batch)
                batch = [lane.queue.popleft() for _ in range(size)]
                lane.away += 1
                yield from self.core.use(self._costs.engine.of(size) / 2)
                self._send(number, batch)

    def _send(self, number: int, batch: list[Ask]) -> None:
        bucket = self._drop.buckets[number]

        def run() -> list[str]:
            found = [bucket.reserve(ask.buyer) for ask in batch]
            self._primaries[number].log(found.count("held"))
            return found

        def read(call: Call) -> None:
            lane = self._lanes[number]
            lane.away -= 1
            for ask, code in zip(batch, call.result, strict=True):
                if code == "sold_out":
                    lane.short.append(ask)
                else:
                    self._answered(ask, code)
            if "held" in call.result and self._sold_out_until_s is not None:
                self._lower()
            if lane.short and not self._hunts:
                self._hunts = True
                self._env.process(self._hunt())

        self._call(number, run, read, len(batch), sold_out=lambda: not bucket.available)

    def _call(
        self,
        number: int,
        run: Callable[[], Any],
        read: Callable[[Call], None],
        attempts: int = 0,
        *,
        reads: bool = False,
        sold_out: Callable[[], bool] | None = None,
    ) -> None:
        def receive(call: Call) -> None:
            self._replies.append((call, read))
            self._bell.ring()

        self._primaries[number].send(Call(run, receive, attempts, reads, sold_out))

    def _script(self, number: int, run: Callable[[], Any], *, reads: bool = False) -> simpy.Event:
        """Call a script that moves units or looks; the event has its result."""
        event = self._env.event()

        def answer(call: Call) -> None:
            event.succeed(call.result)

        self._owed_s += self._costs.engine.of(1) / 2
        self._call(number, run, answer, reads=reads)
        return event

    def _hunt(self) -> Steps:
        """Fetch units for all empty buckets that somebody waits for, or find that none are left.

        "Sold out" needs a double collect: twice nothing in any bucket, nothing on its way, and no
        bucket moved in between. So there was an instant at which all were empty.
        """
        drop, before = self._drop, [Look(-1, -1, -1)]
        while poor := [at for at, lane in enumerate(self._lanes) if lane.short]:
            asked = [
                self._script(at, bucket.look, reads=True) for at, bucket in enumerate(drop.buckets)
            ]
            yield self._env.all_of(asked)
            looks = [cast(Look, event.value) for event in asked]
            if any(look.available for look in looks):
                steals = [self._env.process(self._fetch(at, looks)) for at in poor]
                yield from steals
            elif any(look.open_gives for look in looks):
                yield self._env.timeout(POLL_S)
            elif looks == before:
                self._raise()
            before = looks
        self._hunts = False

    def _fetch(self, number: int, looks: list[Look]) -> Steps:
        """Let those who wait for a bucket ask again, once it has units."""
        richest = max(range(len(looks)), key=lambda at: looks[at].available)
        if looks[number].available or (yield from self._steal(number, richest)):
            lane = self._lanes[number]
            lane.queue.extendleft(reversed(lane.short))
            lane.short = []
            self._nudge()
        else:
            yield self._env.timeout(POLL_S)

    def _steal(self, number: int, richest: int) -> Steps:
        """Half of the richest for a bucket; whether it got some."""
        drop, env = self._drop, self._env
        poor, rich = drop.buckets[number], drop.buckets[richest]
        until_s = env.now + CLAIM_S
        if self._rules.claims and not (
            yield self._script(number, lambda: poor.claim(self._name, env.now, until_s))
        ):
            return False
        give_id = next(self._ids)
        units = yield self._script(richest, lambda: rich.give(give_id, number, env.now))
        if units and self._rules.dies_every and give_id % self._rules.dies_every == 0:
            return False  # the keeper will find an open give
        if units:
            yield self._script(number, lambda: poor.take(give_id, units))
            yield self._script(richest, lambda: rich.settle(give_id))
        return bool(units)

    def _nudge(self) -> None:
        self._nudged = True
        self._bell.ring()

    def _raise(self) -> None:
        """Nothing is left anywhere: say so, and go on saying it for a while."""
        self._sold_out_until_s, self._probing = self._env.now + SOLD_OUT_S, False
        waiting, self._behind = self._behind, []
        for lane in self._lanes:
            waiting += lane.short
            lane.short = []
        for ask in waiting:
            self._answered(ask, "sold_out")

    def _lower(self) -> None:
        """The probe got a unit."""
        self._sold_out_until_s, self._probing = None, False
        behind, self._behind = self._behind, []
        for ask in behind:
            self._route(ask)
