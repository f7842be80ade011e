"""`python -m livesale.operations.checks.child PARENT KIND`: one check, in a process of its own.

An audit reads a million orders. Here it delays nobody: not the buyers of an API worker, and not the
sweep of the keeper. It has the lowest priority, its own connections, and ends with its keeper.
The settings are in the environment.
"""

import asyncio
import os
import sys
import time

import structlog

from livesale.deployment.opening import open_deployment
from livesale.errors import Refused
from livesale.ledger.check import Check
from livesale.ledger.progress import Progress, Step
from livesale.operations.audit import STEPS, audit
from livesale.operations.checks.store import MAX_TEXT, CheckFinding, CheckProgress, Kind
from livesale.operations.checks.wire import Told, encode
from livesale.operations.doctor import examine
from livesale.operations.finding import Finding, Verdict
from livesale.settings import Settings, load_settings
from livesale.tasks.pdeathsig import die_with_parent
from livesale.telemetry import logs

NICE = 10
SETTLE_S = 10.0
TELL_S = 0.2  # the shortest time between two lines about progress

log = structlog.get_logger(__name__)


class _Teller:
    def __init__(self) -> None:
        self._last_s = 0.0
        self._step = ""

    def step(self, step: Step) -> None:
        """Tell of each new step, and of the drops that are done now and then."""
        now_s = time.monotonic()
        is_over = step.drops_done == step.drops
        if step.name == self._step and not is_over and now_s - self._last_s < TELL_S:
            return
        self._step, self._last_s = step.name, now_s
        made = CheckProgress(step.name, step.number, STEPS, step.drops_done, step.drops)
        tell(Told(progress=made))


def tell(told: Told) -> None:
    print(encode(told), flush=True)


async def run(settings: Settings, kind: Kind) -> list[CheckFinding]:
    """All findings. Raises Refused if the stores cannot be opened."""
    if kind is Kind.DOCTOR:
        return await _examine(settings)
    async with open_deployment(settings, role="audit", redis_connections=4) as deployment:
        checks = await audit(
            deployment,
            settle_s=SETTLE_S,
            full=kind is Kind.FULL_AUDIT,
            progress=Progress(_Teller().step, lambda check: tell(Told(finding=_of_audit(check)))),
        )
    return [_of_audit(check) for check in checks]


async def _examine(settings: Settings) -> list[CheckFinding]:
    found: list[CheckFinding] = []
    async for finding in examine(settings):
        found.append(_of_doctor(finding))
        tell(Told(finding=found[-1]))
        tell(Told(progress=CheckProgress(finding.topic, len(found), None, 0, 0)))
    return found


def _of_doctor(found: Finding) -> CheckFinding:
    return CheckFinding(found.topic, "", found.verdict, found.text[:MAX_TEXT], found.cure)


def _of_audit(check: Check) -> CheckFinding:
    verdict = Verdict.GOOD if check.ok else Verdict.PROBLEM
    return CheckFinding(check.invariant, check.title, verdict, check.detail[:MAX_TEXT])


def main() -> int:
    parent, kind = int(sys.argv[1]), Kind(sys.argv[2])
    die_with_parent(parent)()
    os.nice(NICE)
    try:
        settings = load_settings()
        logs.setup(settings, f"check-{kind}")
        tell(Told(ended=asyncio.run(run(settings, kind))))
    except Refused as refusal:
        tell(Told(failed=f"{refusal.setting}: {refusal.problem}"))
    except Exception as fault:
        log.error("a check failed", kind=kind, exc_info=fault)
        tell(Told(failed=f"{type(fault).__name__}: the log has more"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
