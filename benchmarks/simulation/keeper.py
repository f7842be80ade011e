"""The processes behind a sale: one writer for each partition, and the keeper of torn gives."""

from collections import deque

import simpy

from benchmarks.simulation.buckets import Drop, Give
from benchmarks.simulation.costs import Costs
from benchmarks.simulation.hardware import Bell, Steps
from benchmarks.simulation.primary import Call, Primary

ROWS = 2  # of a reservation: the order, and the movement of stock
MAX_ROWS = 500  # in a transaction
SWEEP_S = 0.1
TORN_S = 0.5  # a give that is open for longer has lost its thief


class Writer:
    """Moves the log of one partition into SQL, a transaction at a time."""

    def __init__(self, env: simpy.Environment, costs: Costs, primary: Primary) -> None:
        self._env, self._costs = env, costs
        self._log: deque[tuple[float, int]] = deque()
        self._bell = Bell(env)
        self._busy = False
        self.lag_s = 0.0  # the longest time from an effect until SQL has it
        primary.log = self._append
        env.process(self._live())

    @property
    def behind(self) -> bool:
        return self._busy or bool(self._log)

    def _append(self, reservations: int) -> None:
        if reservations:
            self._log.append((self._env.now, reservations))
            self._bell.ring()

    def _live(self) -> Steps:
        while True:
            if not self._log:
                yield self._bell.sleep()
            since_s, count = self._log[0][0], 0
            while self._log and count * ROWS < MAX_ROWS:
                count += self._log.popleft()[1]
            self._busy = True
            yield self._env.timeout(count * ROWS * self._costs.row)
            self._busy = False
            self.lag_s = max(self.lag_s, self._env.now - since_s)


class Keeper:
    """Finishes gives whose thief died: `take` has an effect once, whoever calls it."""

    def __init__(self, env: simpy.Environment, drop: Drop, primaries: list[Primary]) -> None:
        self._env, self._drop, self._primaries = env, drop, primaries
        self.finished = 0
        env.process(self._live())

    def _live(self) -> Steps:
        while True:
            yield self._env.timeout(SWEEP_S)
            for donor in self._drop.buckets:
                for give in list(donor.given.values()):
                    if self._env.now - give.at_s > TORN_S:
                        yield from self._finish(donor.number, give)

    def _finish(self, donor: int, give: Give) -> Steps:
        receiver = self._drop.buckets[give.to]
        for number, run in (
            (give.to, lambda: receiver.take(give.give_id, give.units)),
            (donor, lambda: self._drop.buckets[donor].settle(give.give_id)),
        ):
            done = self._env.event()
            self._primaries[number].send(Call(run, lambda _, done=done: done.succeed()))  # type: ignore[misc]
            yield done
        self.finished += 1
