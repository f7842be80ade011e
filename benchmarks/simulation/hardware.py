"""Cores and wires."""

from collections.abc import Callable, Generator
from typing import Any

import simpy

Steps = Generator[simpy.Event, Any, Any]


class Core:
    """A core. What is done on it at the same time waits in line, piece by piece."""

    def __init__(self, env: simpy.Environment, *, shared: bool = False) -> None:
        self._env = env
        self._line = simpy.Resource(env) if shared else None
        self.busy_s = 0.0

    def use(self, seconds: float) -> Steps:
        """Compute for so long."""
        self.busy_s += seconds
        if self._line is None:
            yield self._env.timeout(seconds)
            return
        with self._line.request() as turn:
            yield turn
            yield self._env.timeout(seconds)


class Bell:
    """A process sleeps until somebody rings. A ring before the sleep is not lost."""

    def __init__(self, env: simpy.Environment) -> None:
        self._env = env
        self._sleeper: simpy.Event | None = None

    def ring(self) -> None:
        if self._sleeper is not None:
            sleeper, self._sleeper = self._sleeper, None
            sleeper.succeed()

    def sleep(self) -> simpy.Event:
        self._sleeper = self._env.event()
        return self._sleeper


def later(env: simpy.Environment, seconds: float, do: Callable[[], None]) -> None:
    """Do it after so many seconds."""

    # A callback, not a process: that would be three events more.
    env.timeout(seconds).callbacks.append(lambda _: do())
