"""Runs Locust in its own process, because it monkey-patches."""

import asyncio
import contextlib
import importlib.util
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from loadtests.scenarios import REFUSED, REPORT_VARIABLE, TOKEN_VARIABLE, Scenario
from loadtests.stats import Beat, read_beat
from loadtests.target import FLAG, Target

LOG_FILE = "locust.log"
HTML_FILE = "report.html"
POLL_S = 0.25
MARGIN_S = 120.0  # extra time for start and end, before we say that Locust hangs
LEAVE_S = 5.0


class LoadFailed(Exception):
    """Locust did not run the scenario: one line that says why."""


class LoadRefused(Exception):
    """The scenario refused to run: a token, a host, a file. One line that says why."""


class Play(Struct, frozen=True):
    """What to run. `tokens` is a file, `owned` are the hosts that the user confirmed as theirs."""

    scenario: Scenario
    target: Target
    operator_token: str
    users: int
    lasts_s: int
    processes: int
    report: Path
    tokens: Path | None = None
    owned: tuple[str, ...] = ()


def is_installed() -> bool:
    """Whether Locust is installed; does not import it."""
    return importlib.util.find_spec("locust") is not None


async def run_locust(
    play: Play, show: Callable[[Beat], None], preexec: Callable[[], None] | None = None
) -> None:
    """Run it to the end; calls `show` once a beat. Locust's output goes to locust.log, its page to
    report.html. Raises LoadFailed or LoadRefused; ends Locust and its workers when cancelled.
    """
    play.report.mkdir(parents=True, exist_ok=True)
    log = play.report / LOG_FILE
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *_command(play),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=os.environ
            | {REPORT_VARIABLE: str(play.report), TOKEN_VARIABLE: play.operator_token}
            | {
                "PYTHONIOENCODING": "utf-8:backslashreplace"
            },  # the encoding of the log, in any locale
            start_new_session=True,
            preexec_fn=preexec,
        )
    try:
        async with asyncio.timeout(play.lasts_s + MARGIN_S):
            code = await _watch(process, play.report, show)
    except TimeoutError:
        raise LoadFailed(f"Locust hangs; {log} may say why") from None
    finally:
        await _end(process)
    if code == REFUSED:
        raise LoadRefused(_why(log, code))
    if code != 0:
        raise LoadFailed(_why(log, code))


def _command(play: Play) -> list[str]:
    command = [sys.executable, "-m", "locust", "-f", str(play.scenario.file), "--headless"]
    command += ["--host", play.target.url, "--only-summary", "--exit-code-on-error", "0"]
    command += ["--users", str(play.users), "--run-time", f"{play.lasts_s}s"]
    command += ["--html", str(play.report / HTML_FILE)]
    if play.processes > 1:
        command += ["--processes", str(play.processes)]
        # Two runs on one machine need different ports.
        port = str(_free_port())
        command += ["--master-bind-host", "127.0.0.1", "--master-bind-port", port]
        command += ["--master-port", port]
    if play.tokens is not None:
        command += ["--tokens", str(play.tokens)]
    for host in play.owned:
        command += [FLAG, host]
    return command


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


async def _watch(
    process: asyncio.subprocess.Process, report: Path, show: Callable[[Beat], None]
) -> int:
    seen: Beat | None = None
    ended = asyncio.ensure_future(process.wait())
    while not ended.done():
        await asyncio.wait([ended], timeout=POLL_S)
        beat = read_beat(report)
        if beat is not None and beat != seen:
            seen = beat
            show(beat)
    return ended.result()


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the master and its workers, which are one session."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_S):
                while _is_there(process.pid):  # noqa: ASYNC110  nothing signals the end of its workers
                    await asyncio.sleep(POLL_S / 5)
    await process.wait()


def _is_there(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _why(log: Path, code: int) -> str:
    """The last line of Locust's or the scenario's output."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    ours = [line for line in lines if line.startswith("livesale: ")]
    if ours:
        return ours[0].removeprefix("livesale: ")
    return f"Locust ended with {code}; {log} says why"
