"""A primary: one thread. In a turn it runs all calls that have come, then writes the disk once."""

from collections.abc import Callable
from typing import Any

import simpy
from msgspec import Struct

from benchmarks.simulation.costs import Costs
from benchmarks.simulation.hardware import Bell, Core, Steps, later


class Call(Struct, eq=False):
    """A script's call. `run` is its effect, at the end of the turn; `answer` gets the result.

    `attempts` counts those of `reserve`; a call of another kind has none. `sold_out` makes it as
    cheap as a refusal.
    """

    run: Callable[[], Any]
    answer: Callable[["Call"], None]
    attempts: int = 0
    reads: bool = False
    sold_out: Callable[[], bool] | None = None
    result: Any = None

    def wrote(self) -> bool:
        """Whether it changed anything: only then there is something to put on disk."""
        if self.attempts:
            return "held" in self.result
        return not self.reads and self.result not in (False, 0)


class Primary:
    def __init__(
        self,
        env: simpy.Environment,
        costs: Costs,
        core: Core,
        *,
        wire_s: float,
        replicated: bool = False,
    ) -> None:
        self._env, self._costs, self.core = env, costs, core
        self._wire_s, self._replicated = wire_s, replicated
        self._inbox: list[Call] = []
        self._bell = Bell(env)
        self.calls = 0
        self.attempts = 0
        self.disk_s = 0.0
        self.log: Callable[[int], None] = lambda _: None  # how many reservations went into it
        env.process(self._live())

    def send(self, call: Call) -> None:
        """A call leaves a worker now."""
        later(self._env, self._wire_s, lambda: self._receive(call))

    def _receive(self, call: Call) -> None:
        self._inbox.append(call)
        self._bell.ring()

    def _live(self) -> Steps:
        costs = self._costs
        while True:
            if not self._inbox:
                yield self._bell.sleep()
            turn, self._inbox = self._inbox, []
            yield from self.core.use(sum(map(self._cost, turn)))
            written = attempts = 0
            for call in turn:
                call.result = call.run()
                attempts += call.attempts
                written += call.wrote()
            self.calls += len(turn)
            self.attempts += attempts
            if written:
                wait_s = costs.fsync.of(attempts)
                self.disk_s += wait_s
                yield self._env.timeout(wait_s)
            back_s = self._wire_s + (costs.confirm.of(attempts) if self._replicated else 0)
            for call in turn:
                self._answer(call, back_s)

    def _cost(self, call: Call) -> float:
        costs = self._costs
        if not call.attempts:
            return costs.look if call.reads else costs.move
        line = costs.refusal if call.sold_out and call.sold_out() else costs.script
        return line.of(call.attempts) + (costs.confirm_cpu if self._replicated else 0)

    def _answer(self, call: Call, after_s: float) -> None:
        later(self._env, after_s, lambda: call.answer(call))
