"""Runs the checks that operators start: part of the keeper's process, which only watches.

The work is in a process of its own, `livesale.operations.checks.child`. This one writes its row
once a second: how far it is, what it found, and that it lives. If this process dies, the child dies
with it, the row falls silent, and everybody can see that the run is lost.
"""

import asyncio
import contextlib
import os
import secrets
import socket
import sys
import time
from functools import partial

import msgspec
import structlog
from prometheus_client import CollectorRegistry, Counter

from livesale.database.engine import now_ms
from livesale.database.errors import StoreUnavailable
from livesale.database.session import session
from livesale.operations.checks import store, wire
from livesale.operations.checks.service import why_lost
from livesale.operations.checks.store import CheckFinding, CheckProgress, CheckRun, Kind, State
from livesale.operations.finding import Verdict
from livesale.resources import Deployment
from livesale.settings import PREFIX, Settings, as_environment
from livesale.tasks import Tasks

LOOK_S = 1.0
BEAT_S = 1.0
DOCTOR_S = 300.0
END_S = 20.0  # how long the end of a run is tried to be written, while SQL is away
GONE_S = 5.0  # between the end of what a child says and its own end
KEEP = 500  # runs
MODULE = "livesale.operations.checks.child"
SLOTS = ("doctor", "audit")

log = structlog.get_logger(__name__)


class CheckMetrics:
    """Metrics of the keeper of checks."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.runs = Counter(
            "livesale_checks_total",
            "Runs of the doctor and the audit that operators started, by kind and end: ok, "
            "problems, failed, lost",
            ["kind", "end"],
            registry=registry,
        )


class _Seen(msgspec.Struct):
    """What the child has told so far."""

    progress: CheckProgress | None = None
    findings: list[CheckFinding] = msgspec.field(default_factory=list)
    has_ended: bool = False
    failed: str = ""

    def hear(self, line: bytes) -> None:
        """Raises msgspec.MsgspecError."""
        told = wire.decode(line)
        self.progress = told.progress or self.progress
        if told.finding is not None:
            self.findings.append(told.finding)
        if told.ended is not None:
            self.findings, self.has_ended = told.ended, True
        self.failed = told.failed or self.failed


class CheckKeeper:
    """Any number of keepers may run it: a conditional UPDATE claims each run."""

    def __init__(self, deployment: Deployment, registry: CollectorRegistry | None = None) -> None:
        self._sql = deployment.sql
        self._settings = deployment.settings
        self._metrics = CheckMetrics(registry or CollectorRegistry())
        self._stop = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        self._stop = stop
        async with Tasks(stop) as tasks:
            for slot in SLOTS:
                tasks.repeat("checks: run", partial(self.step, slot), about=slot)

    async def step(self, slot: str) -> float:
        """Run what waits in this slot; seconds until the next look. Raises StoreUnavailable."""
        async with session(self._sql) as connection:
            found = await store.find_in_slot(connection, slot)
        if found is None:
            return LOOK_S
        at_ms = now_ms()
        if reason := why_lost(found, at_ms):
            async with session(self._sql, write=True) as connection:
                if await store.give_up(connection, found, reason, at_ms):
                    self._count(found, State.LOST, None)
            return 0.0
        if found.state is State.WAITING:
            await self._take(found)
        return LOOK_S

    async def _take(self, run: CheckRun) -> None:
        claim = secrets.token_hex(16)
        async with session(self._sql, write=True) as connection:
            machine = socket.gethostname()
            if not await store.claim_run(connection, run.check_id, claim, machine, now_ms()):
                return  # another keeper was first
        log.info("a check begins", check_id=run.check_id, kind=run.kind)
        seen = _Seen()
        state, reason = State.LOST, "its keeper failed"
        try:
            state, reason = await self._watch(run, claim, seen)
        finally:
            await self._end(run, claim, seen, state, reason)

    async def _watch(self, run: CheckRun, claim: str, seen: _Seen) -> tuple[State, str]:
        """Run the child until its end; what that was, and why."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", MODULE, str(os.getpid()), run.kind),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            env=_environment(self._settings),
            limit=wire.MAX_LINE_BYTES,
        )
        try:
            cut = await self._follow(process, run, claim, seen)
            if cut is None:  # it has ended: to kill it now would hide what ended it
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), GONE_S)
        finally:
            if process.returncode is None:
                process.kill()
            code = await process.wait()
        if cut is not None:
            return cut
        if seen.failed:
            return State.FAILED, seen.failed
        if seen.has_ended:
            return State.DONE, ""
        if code < 0:
            return State.LOST, f"its process was killed by signal {-code}"
        return State.LOST, f"its process ended with exit code {code}: the log has more"

    async def _follow(
        self, process: asyncio.subprocess.Process, run: CheckRun, claim: str, seen: _Seen
    ) -> tuple[State, str] | None:
        """Read what the child says until it ends. Otherwise: why it is to be killed."""
        assert process.stdout is not None  # noqa: S101  a pipe
        most_s = self.most_s(run.kind)
        began_s = time.monotonic()
        beat_s = began_s
        while True:
            now_s = time.monotonic()
            if now_s - began_s > most_s:
                return State.FAILED, f"it took longer than {most_s:.0f} s"
            if self._stop.is_set():
                return State.LOST, "its keeper was stopped"
            if now_s >= beat_s:
                if not await self._beat(claim, seen):
                    return State.LOST, "it was given up"
                beat_s = time.monotonic() + BEAT_S
            try:
                async with asyncio.timeout(max(0.0, beat_s - time.monotonic())):
                    line = await process.stdout.readline()
            except TimeoutError:
                continue
            if not line:
                return None
            try:
                seen.hear(line)
            except msgspec.MsgspecError:
                log.warning("a check said something else", said=line[:200])

    async def _beat(self, claim: str, seen: _Seen) -> bool:
        """Write how far it is; False if the run is not ours any more."""
        try:
            async with session(self._sql, write=True) as connection:
                return await store.note_beat(
                    connection, claim, seen.progress, seen.findings, now_ms()
                )
        except StoreUnavailable as fault:  # the child sees that, too, and says so
            log.warning("the progress of a check is not written", reason=str(fault))
            return True

    async def _end(self, run: CheckRun, claim: str, seen: _Seen, state: State, reason: str) -> None:
        ok = None
        if state is State.DONE:
            ok = all(found.verdict is not Verdict.PROBLEM for found in seen.findings)
        self._count(run, state, ok)
        log.info("a check ended", check_id=run.check_id, state=state, ok=ok, reason=reason)
        until_s = time.monotonic() + END_S
        while True:
            try:
                async with session(self._sql, write=True) as connection:
                    await store.end_run(
                        connection,
                        claim,
                        state,
                        ok=ok,
                        reason=reason,
                        progress=seen.progress,
                        findings=seen.findings,
                        at_ms=now_ms(),
                    )
                    await store.forget_runs(connection, KEEP)
                return
            except StoreUnavailable:
                if self._stop.is_set() or time.monotonic() > until_s:
                    raise  # the row falls silent: the run counts as lost
                await asyncio.sleep(BEAT_S)

    def most_s(self, kind: Kind) -> float:
        """The longest time that a run may take, in seconds."""
        checks = self._settings.checks
        return {
            Kind.DOCTOR: DOCTOR_S,
            Kind.AUDIT: float(checks.audit_s),
            Kind.FULL_AUDIT: float(checks.full_audit_s),
        }[kind]

    def _count(self, run: CheckRun, state: State, ok: bool | None) -> None:
        end = ("ok" if ok else "problems") if state is State.DONE else state.value
        self._metrics.runs.labels(run.kind, end).inc()


def _environment(settings: Settings) -> dict[str, str]:
    """The settings of this process, which flags may have changed, and all else that is not ours."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(PREFIX)}
    return kept | as_environment(settings)
