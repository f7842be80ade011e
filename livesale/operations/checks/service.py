"""Starting a check, and following it. The keeper runs it: an API worker only writes its row."""

from msgspec import structs
from sqlalchemy.exc import IntegrityError

from livesale.action_log.record import note_change
from livesale.database.engine import now_ms
from livesale.database.errors import StoreUnavailable
from livesale.database.session import session
from livesale.operations.checks import store
from livesale.operations.checks.store import CheckReport, CheckRun, Kind, State
from livesale.resources import Deployment
from livesale.validation.refusals import Unknown
from stock.ids import made_ms, new_id

UNTAKEN_MS = 60_000  # a waiting run that no keeper took for so long is lost
SILENT_MS = 30_000  # so is a running one, whose keeper writes each second
TRIES = 5


class Checks:
    """One per process."""

    def __init__(self, deployment: Deployment) -> None:
        self._sql = deployment.sql

    async def start(self, kind: Kind, actor: str) -> tuple[CheckRun, bool]:
        """A new run, or the one that its slot has; and whether it is new.

        Raises StoreUnavailable.
        """
        for _ in range(TRIES):
            async with session(self._sql) as connection:
                there = await store.find_in_slot(connection, kind.slot)
            at_ms = now_ms()
            reason = why_lost(there, at_ms) if there else ""
            if there is not None and not reason:
                return there, False
            check_id = new_id()
            new = _new_run(check_id, kind, actor)
            try:
                async with session(self._sql, write=True) as connection:
                    if there is not None:
                        await store.give_up(connection, there, reason, at_ms)
                    await store.add_run(connection, new)
                    note_change(None, new)
                return new, True
            except IntegrityError:
                continue  # somebody else started one at the same time
        raise StoreUnavailable("too many start this check at once")

    async def find(self, check_id: str) -> CheckReport:
        """Raises Unknown or StoreUnavailable."""
        async with session(self._sql) as connection:
            found = await store.find_report(connection, check_id)
        if found is None:
            raise Unknown("unknown_check")
        reason = why_lost(found, now_ms())
        return structs.replace(found, state=State.LOST, reason=reason) if reason else found

    async def list(self, before: str, kind: Kind | None, limit: int) -> list[CheckRun]:
        """The newest first. Raises StoreUnavailable."""
        async with session(self._sql) as connection:
            found = await store.list_runs(connection, before=before, kind=kind, limit=limit)
        at_ms = now_ms()
        return [
            structs.replace(run, state=State.LOST, reason=reason)
            if (reason := why_lost(run, at_ms))
            else run
            for run in found
        ]


def why_lost(run: CheckRun, at_ms: int) -> str:
    """Why an unfinished run will not end by itself; empty if it may."""
    if run.state is State.WAITING and at_ms - run.created_ms > UNTAKEN_MS:
        return "no keeper took it: is one running?"
    if run.state is State.RUNNING and at_ms - run.beat_ms > SILENT_MS:
        return "the keeper that ran it is silent: it died, or was cut off"
    return ""


def _new_run(check_id: str, kind: Kind, actor: str) -> CheckRun:
    at_ms = made_ms(check_id)
    return CheckRun(
        check_id=check_id,
        kind=kind,
        state=State.WAITING,
        ok=None,
        actor=actor,
        machine="",
        reason="",
        progress=None,
        created_ms=at_ms,
        started_ms=None,
        beat_ms=at_ms,
        ended_ms=None,
    )
