"""Runs work on untrusted files in a process of its own: bounded in time, memory and processors.

A decoder that hangs, crashes or eats memory ends that process, and nothing else. The event loop
only waits, and the process has a low priority, so that sales go first.
"""

import asyncio
import os
import sys
from collections.abc import Sequence

from livesale.errors import LivesaleError
from livesale.tasks.turns import WORKS_FOR, Turns
from livesale.workshop.bench import REFUSED, WorkRefused


class WorkFailed(LivesaleError):
    """The work did not end: it took too long, too much memory, or it crashed."""


class Workshop:
    """At most `at_once` processes run `module`, each for one file."""

    def __init__(
        self, module: str, *, at_once: int, timeout_s: float, memory_mib: int, most_bytes: int
    ) -> None:
        """`most_bytes` bounds what the work answers."""
        self._module = module
        self._timeout_s = timeout_s
        self._memory_mib = memory_mib
        self._most_bytes = most_bytes
        self._turns = Turns(
            at_once, each=at_once, max_waiting=16, max_each=16, wait_s=3 * timeout_s
        )

    async def work(self, raw: bytes, arguments: Sequence[str] = ()) -> bytes:
        """What the module makes of `raw`. Raises WorkRefused, WorkFailed, or Crowded."""
        async with self._turns.passing(WORKS_FOR.get().key):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", self._module),
                *(str(self._memory_mib), str(int(self._timeout_s) + 1), str(os.getpid())),
                *arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                limit=1 << 16,
            )
            try:
                async with asyncio.timeout(self._timeout_s):
                    answer, _ = await process.communicate(raw)
            except TimeoutError:
                raise WorkFailed("it took too long") from None
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        if process.returncode == REFUSED:
            code, _, detail = answer.decode(errors="replace").partition("\n")
            raise WorkRefused(code, detail)
        if process.returncode != 0 or len(answer) > self._most_bytes:
            raise WorkFailed(f"exit code {process.returncode}")
        return answer
