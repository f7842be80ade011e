"""Runs work on untrusted files in a process of its own: bounded in time, memory and processors.

A decoder that hangs, crashes or eats memory ends that process, and nothing else. The event loop
only waits, and the process has a low priority, so that sales go first.
"""

import asyncio
import os
import resource
import signal
import sys
from collections.abc import Callable, Sequence

from livesale.errors import LivesaleError
from livesale.tasks.turns import WORKS_FOR, Turns

NICE = 10
MEBIBYTE = 1 << 20
REFUSED = 3  # the exit code of work that refuses its file; stdout has the reason
_PR_SET_PDEATHSIG = 1


class WorkFailed(LivesaleError):
    """The work did not end: it took too long, too much memory, or it crashed."""


class WorkRefused(LivesaleError):
    """The work looked at the file and refuses it. `code` says why, `detail` more of it."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


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


def serve(work: Callable[[bytes, Sequence[str]], bytes]) -> None:
    """The main of a module that a Workshop runs: stdin to stdout, under its bounds."""
    memory_mib, cpu_s, parent = (int(text) for text in sys.argv[1:4])
    _confine(memory_mib, cpu_s, parent)
    try:
        answer, code = work(sys.stdin.buffer.read(), sys.argv[4:]), 0
    except WorkRefused as refused:
        answer, code = f"{refused.code}\n{refused.detail}".encode(), REFUSED
    sys.stdout.buffer.write(answer)
    sys.stdout.buffer.flush()
    os._exit(code)  # nothing is left to be done


def _confine(memory_mib: int, cpu_s: int, parent: int) -> None:
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
    os.nice(NICE)
    size = memory_mib * MEBIBYTE
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # it writes to its pipe only
