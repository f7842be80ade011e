"""Whole runs: a sale, how much a number of primaries can do, and the engine's driver on few cores.

The same seed gives the same run, to the last digit.
"""

import random
from collections.abc import Callable
from itertools import count
from math import ceil

import simpy
from msgspec import Struct

from benchmarks.simulation.buckets import Drop
from benchmarks.simulation.costs import Costs
from benchmarks.simulation.hardware import Core, Steps
from benchmarks.simulation.keeper import Keeper, Writer
from benchmarks.simulation.primary import Primary
from benchmarks.simulation.worker import Ask, Rules, Worker

TWICE = 0.02  # of the buyers ask a second time
FULL = 0.6  # the part of its core that an API worker may use when a fleet is planned
ENDLESS = 10**9
GRACE_S = 60.0  # after the last buyer has come


class Fleet(Struct, frozen=True):
    primaries: int
    workers: int
    replicated: bool = False
    writers: bool = True


class Outcome(Struct, frozen=True):
    """What a run found; it was audited. Times in seconds, parts from 0 to 1."""

    asked: int
    held: int
    unsold: int
    false_sold_out: int
    transfers: int
    torn: int  # gives that the keeper finished
    selling_s: float  # from the first buyer to the last unit
    p50_s: float
    p99_s: float
    worst_s: float
    answered_late: int  # later than the arrival of the last buyer
    attempts_a_call: float
    primary_cpu: float  # of the busiest one, while buyers came
    primary_disk: float
    worker_cpu: float
    lag_s: float
    per_primary: float  # attempts a second of the busiest one


def workers_for(costs: Costs, rate: float) -> int:
    """API workers, one core each, that a rate needs, if their calls have four attempts."""
    return ceil(rate * (costs.request + costs.engine.of(4) / 4) / FULL)


def sell(
    costs: Costs,
    fleet: Fleet,
    *,
    units: int,
    rate: float,
    seconds: float,
    seed: int,
    rules: Rules = Rules(),  # noqa: B008  it is frozen
    after: Callable[[Drop], None] = lambda _: None,
) -> Outcome:
    """Buyers come at random, at a rate, for so long; the run ends when all have their answer.

    Raises AssertionError if a unit was lost or exists twice, or a buyer got no answer. `after` is
    called before that check.
    """
    env, chance = simpy.Environment(), random.Random(seed)
    drop = Drop(units, fleet.primaries)
    primaries = [
        Primary(env, costs, Core(env), wire_s=costs.network, replicated=fleet.replicated)
        for _ in range(fleet.primaries)
    ]
    writers = [Writer(env, costs, primary) for primary in primaries] if fleet.writers else []
    keeper = Keeper(env, drop, primaries)
    waits_s: list[float] = []
    last_held_s = [0.0]

    def answered(ask: Ask, answer: str) -> None:
        drop.tell(ask.buyer, answer)
        waits_s.append(env.now - ask.at_s)
        if answer == "held":
            last_held_s[0] = env.now

    ids = count(1)
    workers = [
        Worker(env, costs, Core(env), drop, primaries, ids, rules, answered)
        for _ in range(fleet.workers)
    ]
    asked = [0]

    def come() -> Steps:
        buyers = 0
        while env.now < seconds:
            yield env.timeout(chance.expovariate(rate))
            again = buyers and chance.random() < TWICE
            buyer = chance.randrange(buyers) if again else buyers
            buyers += not again
            workers[chance.randrange(len(workers))].ask(Ask(buyer, env.now))
            asked[0] += 1

    env.process(come())
    env.run(until=seconds)
    busiest = max(primaries, key=lambda primary: primary.attempts)
    cpu, disk = busiest.core.busy_s / seconds, busiest.disk_s / seconds
    per_primary, answers = busiest.attempts / seconds, len(waits_s)
    worker_cpu = max(worker.core.busy_s for worker in workers) / seconds
    while len(waits_s) < asked[0] and env.now < seconds + GRACE_S:
        env.run(until=env.now + 0.05)
    while any(writer.behind for writer in writers):
        env.run(until=env.now + 0.5)
    after(drop)
    drop.audit(asked[0])
    waits_s.sort()
    calls = sum(primary.calls for primary in primaries)
    return Outcome(
        asked=asked[0],
        held=units - drop.left,
        unsold=drop.left if asked[0] > units else 0,
        false_sold_out=drop.false_sold_out,
        transfers=drop.transfers,
        torn=keeper.finished,
        selling_s=last_held_s[0],
        p50_s=waits_s[len(waits_s) // 2],
        p99_s=waits_s[len(waits_s) * 99 // 100],
        worst_s=waits_s[-1],
        answered_late=asked[0] - answers,
        attempts_a_call=sum(primary.attempts for primary in primaries) / calls,
        primary_cpu=cpu,
        primary_disk=disk,
        worker_cpu=worker_cpu,
        lag_s=max((writer.lag_s for writer in writers), default=0.0),
        per_primary=per_primary,
    )


def steady(costs: Costs, fleet: Fleet, rate: float, seed: int, seconds: float = 0.5) -> Outcome:
    """Buyers of a drop that has a unit for everybody."""
    return sell(costs, fleet, units=ENDLESS, rate=rate, seconds=seconds, seed=seed)


def most(
    costs: Costs, primaries: int, *, p99_s: float, seed: int, replicated: bool = False
) -> tuple[float, Outcome]:
    """The highest rate, within 2 %, at which 99 of 100 buyers wait no longer than `p99_s`, with as
    many API workers as it needs."""
    low, high = 0.0, primaries / costs.script.each
    best: Outcome | None = None
    while high - low > high * 0.02:
        rate = (low + high) / 2
        fleet = Fleet(primaries, workers_for(costs, rate), replicated, writers=False)
        found = steady(costs, fleet, rate, seed)
        if found.p99_s <= p99_s:
            low, best = rate, found
        else:
            high = rate
    if best is None:
        raise RuntimeError("no rate is slow enough")
    return low, best


class Layout(Struct, frozen=True):
    """The engine's driver on the cores of this machine: on which core is each driver, and each of
    its servers? Two pairs are two tuples."""

    name: str
    pairs: tuple[tuple[int, tuple[int, ...]], ...]


def drive(costs: Costs, layout: Layout, batch: int, seconds: float = 0.3) -> float:
    """Reservations a second of the engine's driver: calls of so many attempts, two at a time to
    each server, everybody gets a unit."""
    env = simpy.Environment()
    cores = {core: Core(env, shared=True) for pair in layout.pairs for core in (pair[0], *pair[1])}
    sold = [0]
    for driver, servers in layout.pairs:
        primaries = [Primary(env, costs, cores[core], wire_s=costs.loopback) for core in servers]
        _keep_asking(env, costs, cores[driver], primaries, batch, sold)
    env.run(until=seconds)
    return sold[0] / seconds


def _keep_asking(
    env: simpy.Environment,
    costs: Costs,
    core: Core,
    primaries: list[Primary],
    batch: int,
    sold: list[int],
) -> None:
    """A driver: whoever was answered is followed by somebody else at the same server."""
    drop = Drop(ENDLESS, len(primaries), by=lambda buyer: buyer)
    rules = Rules(max_batch=batch, http=False)

    def answered(ask: Ask, answer: str) -> None:
        sold[0] += answer == "held"
        worker.ask(Ask(ask.buyer + asking, env.now))

    worker = Worker(env, costs, core, drop, primaries, count(1), rules, answered)
    asking = 2 * batch * len(primaries)
    for buyer in range(asking):
        worker.ask(Ask(buyer, 0.0))
