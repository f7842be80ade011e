"""Starts child processes, restarts those that die, and stops them in the right order.

A child is up when its metrics socket exists.
"""

import asyncio
import signal
import time
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import structlog

from livesale.errors import LivesaleError
from livesale.folders.run import open_run_folder
from livesale.processes.children import Nursery, Process
from livesale.processes.signals import STOP
from livesale.settings import Settings
from livesale.tasks import Tasks, Works

START_TIMEOUT_S = 60.0
STEADY_S = 10.0  # a child that lived this long is restarted without delay
FIRST_BACKOFF_S, LAST_BACKOFF_S = 0.1, 5.0
STOP_MARGIN_S = 5.0
POLL_S = 0.01

log = structlog.get_logger(__name__)


class StartFailed(LivesaleError):
    """A child ended or hung before it was up."""


class Child:
    """One process to keep running: `livesale <command>`."""

    def __init__(self, name: str, command: Sequence[str], *, stop_s: float) -> None:
        self.name = name
        self.command = tuple(command)
        self.stop_s = stop_s
        self.process: Process | None = None

    @property
    def pid(self) -> int | None:
        alive = self.process is not None and self.process.returncode is None
        return self.process.pid if alive and self.process else None


class Supervisor:
    """Keeps a list of children running."""

    def __init__(self, settings: Settings, children: Iterable[Child], nursery: Nursery) -> None:
        self.children = list(children)
        self._nursery = nursery
        self._folder = open_run_folder(settings.data_dir).path
        self._tasks = Tasks()
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._leaving: set[str] = set()

    async def start(self, unless: asyncio.Event | None = None) -> None:
        """Start all children and wait until they are up, or until `unless` is set.

        Raises StartFailed after stopping all of them.
        """
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                for child in self.children:
                    await self._spawn(child)
                for child in self.children:
                    await self._wait_until_up(child, unless)
        except TimeoutError:
            self.kill()
            raise StartFailed(
                f"some processes were not up within {START_TIMEOUT_S:.0f} s"
            ) from None
        except BaseException:
            self.kill()
            raise
        for child in self.children:
            keep = partial(self._keep, child)
            self._keepers[child.name] = self._tasks.keep("child", keep, about=child.name)

    async def stop(self, prefix: str = "") -> None:
        """Stop the children with this name prefix: STOP, then SIGKILL after their `stop_s`."""
        leaving = [child for child in self.children if child.name.startswith(prefix)]
        self._leaving |= {child.name for child in leaving}
        await asyncio.gather(*(self._stop_one(child) for child in leaving))

    def kill(self) -> None:
        """SIGKILL all, at once: no acknowledged data is lost."""
        self._leaving |= {child.name for child in self.children}
        for child in self.children:
            if child.process is not None:
                child.process.send(signal.SIGKILL)

    async def _spawn(self, child: Child) -> None:
        child.process = await self._nursery.spawn(child.command)

    async def _wait_until_up(self, child: Child, unless: asyncio.Event | None) -> None:
        assert child.process is not None  # noqa: S101  spawned just before
        path = self._socket_of(child.name, child.process)
        while not path.exists():
            if unless is not None and unless.is_set():
                return
            if child.process.returncode is not None:
                raise StartFailed(
                    f"{child.name} ended with exit code {child.process.returncode} at its start"
                )
            await asyncio.sleep(POLL_S)

    def _socket_of(self, name: str, process: Process) -> Path:
        return self._folder / f"{name}.{process.pid}.sock"

    async def _keep(self, child: Child, works: Works) -> None:
        """Restart `child` whenever it ends, until it is dismissed."""
        backoff_s = FIRST_BACKOFF_S
        while True:
            assert child.process is not None  # noqa: S101  started by start()
            if child.process.returncode is None:
                works()
            started = time.monotonic()
            code = await child.process.wait()
            self._socket_of(child.name, child.process).unlink(missing_ok=True)
            if child.name in self._leaving:
                return
            if time.monotonic() - started > STEADY_S:
                backoff_s = FIRST_BACKOFF_S
            log.error("process died", child=child.name, exit_code=code, restart_in_s=backoff_s)
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, LAST_BACKOFF_S)
            if child.name in self._leaving:
                return
            try:
                await self._spawn(child)
            except ConnectionError as error:
                log.error("process did not start", child=child.name, problem=str(error))
                continue
            if child.name in self._leaving:  # stop() was called during its start
                child.process.send(signal.SIGKILL)
                await child.process.wait()
                return
            log.info("process started again", child=child.name, pid=child.pid)

    async def _stop_one(self, child: Child) -> None:
        process = child.process
        if process is None or process.returncode is not None:
            await self._forget(child)
            return
        process.send(STOP)
        try:
            async with asyncio.timeout(child.stop_s):
                await process.wait()
        except TimeoutError:
            log.error("process did not stop in time", child=child.name, after_s=child.stop_s)
            process.send(signal.SIGKILL)
            await process.wait()
        if process.returncode not in (0, -STOP):
            log.warning(
                "process stopped with an error", child=child.name, exit_code=process.returncode
            )
        await self._forget(child)

    async def _forget(self, child: Child) -> None:
        keeper = self._keepers.pop(child.name, None)
        if keeper is not None:
            await keeper
