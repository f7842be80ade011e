"""Runs of checks in SQL. Queries only; each change of a state has the expected one in its WHERE."""

from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.operations.checks.tables import check_runs as runs
from livesale.operations.finding import Verdict

MAX_TEXT = 2_000  # characters of a finding


class Kind(StrEnum):
    DOCTOR = "doctor"
    AUDIT = "audit"
    FULL_AUDIT = "full_audit"  # also the rows of sealed drops

    @property
    def slot(self) -> str:
        """There is one run in each slot: the doctor does not wait for an audit."""
        return "doctor" if self is Kind.DOCTOR else "audit"


class State(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"  # all was checked: `ok` says with which result
    FAILED = "failed"  # it could not check
    LOST = "lost"  # its process died, or nobody ran it


UNFINISHED = (State.WAITING, State.RUNNING)


class CheckProgress(Struct, frozen=True):
    """`steps` is null for the doctor; `drops` is 0 in a step that is not counted by drops."""

    step: str
    step_number: int
    steps: int | None
    drops_done: int
    drops: int


class CheckFinding(Struct, frozen=True):
    """`name` is a promise (I1 to I14, seal, stock, log) or a topic of the doctor; `cure` says what
    to do."""

    name: str
    title: str
    verdict: Verdict
    text: str
    cure: str = ""


class CheckRun(Struct, frozen=True):
    """`ok` is null until it is done. `machine` is where it runs."""

    check_id: str
    kind: Kind
    state: State
    ok: bool | None
    actor: str
    machine: str
    reason: str
    progress: CheckProgress | None
    created_ms: int
    started_ms: int | None
    beat_ms: int
    ended_ms: int | None


class CheckReport(CheckRun, frozen=True):
    """A run with its findings, also those of a run that has not ended."""

    findings: list[CheckFinding] = []


_COLUMNS = [runs.c[name] for name in CheckRun.__struct_fields__]
_RUN = select(*_COLUMNS)
_findings = msgspec.json.Decoder(list[CheckFinding])


async def add_run(connection: AsyncConnection, run: CheckRun) -> None:
    """Raises IntegrityError if its slot is taken."""
    row = {name: getattr(run, name) for name in CheckRun.__struct_fields__}
    row |= {"slot": run.kind.slot, "claim": "", "progress": "", "findings": "[]"}
    await connection.execute(insert(runs), row)


async def find_in_slot(connection: AsyncConnection, slot: str) -> CheckRun | None:
    row = (await connection.execute(_RUN.where(runs.c.slot == slot))).first()
    return _run(row) if row else None


async def find_report(connection: AsyncConnection, check_id: str) -> CheckReport | None:
    query = select(*_COLUMNS, runs.c.findings).where(runs.c.check_id == check_id)
    row = (await connection.execute(query)).first()
    return CheckReport(**_fields(row[:-1]), findings=_findings.decode(row[-1])) if row else None


async def list_runs(
    connection: AsyncConnection, *, before: str, kind: Kind | None, limit: int
) -> list[CheckRun]:
    """The newest first; those with a smaller id than `before`, or all."""
    query = _RUN.order_by(runs.c.check_id.desc()).limit(limit)
    if before:
        query = query.where(runs.c.check_id < before)
    if kind is not None:
        query = query.where(runs.c.kind == kind)
    return [_run(row) for row in await connection.execute(query)]


async def claim_run(
    connection: AsyncConnection, check_id: str, claim: str, machine: str, at_ms: int
) -> bool:
    """Waiting → running; False if another keeper was first."""
    return await _change(
        connection,
        (runs.c.check_id == check_id, runs.c.state == State.WAITING),
        state=State.RUNNING,
        claim=claim,
        machine=machine[:80],
        started_ms=at_ms,
        beat_ms=at_ms,
    )


async def note_beat(
    connection: AsyncConnection,
    claim: str,
    progress: CheckProgress | None,
    findings: list[CheckFinding],
    at_ms: int,
) -> bool:
    """How far a run is; False if it was given up meanwhile."""
    return await _change(
        connection,
        (runs.c.claim == claim, runs.c.state == State.RUNNING),
        **_seen(progress, findings),
        beat_ms=at_ms,
    )


async def end_run(
    connection: AsyncConnection,
    claim: str,
    state: State,
    *,
    ok: bool | None,
    reason: str,
    progress: CheckProgress | None,
    findings: list[CheckFinding],
    at_ms: int,
) -> bool:
    """Running → done, failed or lost; False if it was given up meanwhile."""
    return await _change(
        connection,
        (runs.c.claim == claim, runs.c.state == State.RUNNING),
        state=state,
        slot=None,
        ok=ok,
        reason=reason[:200],
        **_seen(progress, findings),
        beat_ms=at_ms,
        ended_ms=at_ms,
    )


async def give_up(connection: AsyncConnection, run: CheckRun, reason: str, at_ms: int) -> bool:
    """Waiting or running → lost, unless somebody has seen to it since `run` was read."""
    return await _change(
        connection,
        (
            runs.c.check_id == run.check_id,
            runs.c.state == run.state,
            runs.c.beat_ms == run.beat_ms,
        ),
        state=State.LOST,
        slot=None,
        reason=reason[:200],
        ended_ms=at_ms,
    )


async def forget_runs(connection: AsyncConnection, keep: int) -> None:
    """Delete finished runs that are older than the newest `keep`."""
    query = select(runs.c.check_id).order_by(runs.c.check_id.desc()).offset(keep).limit(1)
    oldest = await connection.scalar(query)
    if oldest is not None:
        await connection.execute(
            delete(runs).where(runs.c.check_id <= oldest, runs.c.slot.is_(None))
        )


async def _change(
    connection: AsyncConnection, where: tuple[ColumnElement[bool], ...], **values: Any
) -> bool:
    done = await connection.execute(update(runs).where(*where).values(values))
    return done.rowcount == 1


def _seen(progress: CheckProgress | None, findings: list[CheckFinding]) -> dict[str, str]:
    return {
        "progress": msgspec.json.encode(progress).decode() if progress else "",
        "findings": msgspec.json.encode(findings).decode(),
    }


def _run(row: Any) -> CheckRun:
    return CheckRun(**_fields(row))


def _fields(row: Any) -> dict[str, Any]:
    found = dict(zip(CheckRun.__struct_fields__, row, strict=True))
    text = found["progress"]
    return found | {
        "kind": Kind(found["kind"]),
        "state": State(found["state"]),
        "progress": msgspec.json.decode(text, type=CheckProgress) if text else None,
    }
