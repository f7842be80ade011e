"""Starts the processes that play the crowd, and hears their reports."""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Sequence

from livesale.demo.pipe import frame, read_frame
from livesale.demo.plan import Buyer
from livesale.demo.wire import Job, Report, Word
from livesale.errors import LivesaleError
from livesale.tasks.pdeathsig import die_with_parent


class CrowdGone(LivesaleError):
    """A crowd process ended before its buyers had left."""


class Gate:
    """The crowd processes. They die with this one."""

    def __init__(self) -> None:
        self._processes: list[asyncio.subprocess.Process] = []
        self.here: dict[int, int] = {}

    async def open(self, processes: int) -> None:
        """Start so many of them, before the opening: starting Python takes its time."""
        for _ in range(processes):
            self._processes.append(
                await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "livesale.demo.crowd"),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    limit=2**24,
                    preexec_fn=die_with_parent(),
                    start_new_session=True,
                )
            )

    async def send_in(
        self, buyers: Sequence[Buyer], job: Callable[[list[Buyer], int], Job]
    ) -> None:
        """Deal the buyers out; `job` makes the job of each process from its share and number."""
        count = len(self._processes)
        for number, process in enumerate(self._processes):
            share = list(buyers[number::count])
            self.here[number] = len(share)
            await self._tell(process, frame(job(share, number)))

    async def listen(self, hear: Callable[[Report], None]) -> None:
        """Hand every report over, until all buyers have left. Raises CrowdGone."""
        await asyncio.gather(
            *(self._listen(number, hear) for number in range(len(self._processes)))
        )

    async def say(self, word: Word) -> None:
        for process in self._processes:
            with contextlib.suppress(ConnectionError):
                await self._tell(process, frame(word))

    async def close(self) -> None:
        """End what is still running."""
        for process in self._processes:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
            await process.wait()

    async def _listen(self, number: int, hear: Callable[[Report], None]) -> None:
        process = self._processes[number]
        assert process.stdout is not None  # noqa: S101  a pipe, see open()
        while (report := await read_frame(process.stdout, Report)) is not None:
            self.here[number] = report.here
            hear(report)
            if report.over:
                return
        raise CrowdGone(f"crowd process {number} ended with exit code {await process.wait()}")

    @staticmethod
    async def _tell(process: asyncio.subprocess.Process, message: bytes) -> None:
        assert process.stdin is not None  # noqa: S101  a pipe, see open()
        process.stdin.write(message)
        await process.stdin.drain()
