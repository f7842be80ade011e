"""After the load: read the journals, ask the service, check, and save the result as JSON."""

from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field

from loadtests.checks import Finding
from loadtests.figures import Figures, figures_of
from loadtests.history import Broke
from loadtests.journal import read_journals
from loadtests.line import Line, Time
from loadtests.scenarios import Scenario
from loadtests.service import Interview
from loadtests.stats import read_latencies
from loadtests.target import Target
from loadtests.verdict import judge

SETTLE_S = 30.0
RESULT_FILE = "result.json"


class Result(Struct, frozen=True):
    """`broke` is where a ramp found the limit, if it did."""

    scenario: str
    target: str
    ok: bool
    budget: float
    figures: Figures
    checks: list[Finding]
    broke: Broke | None
    drop_ids: list[str]
    report: str
    audit: list[dict[str, Any]] = field(default_factory=list)  # of `livesale audit`, where it ran


async def conclude(
    scenario: Scenario,
    target: Target,
    report: Path,
    line: Line,
    time: Time,
    token: str,
    *,
    budget: float | None = None,
    settle_s: float = SETTLE_S,
) -> Result:
    """Check the run whose journals are in `report`."""
    history = read_journals(report / "journal")
    said = await Interview(line, token, time).ask(
        history.drops, settle_s, [drop.drop_id for drop in history.drops.values() if drop.in_line]
    )
    allowed = scenario.budget if budget is None else budget
    findings = judge(history, said, allowed)
    return Result(
        scenario.name,
        target.url,
        all(finding.ok for finding in findings),
        allowed,
        figures_of(history, read_latencies(report)),
        findings,
        history.broke,
        list(history.drops),
        str(report),
    )


def keep(result: Result) -> None:
    """Write result.json into the folder of the report."""
    text = msgspec.json.format(msgspec.json.encode(result), indent=2)
    (Path(result.report) / RESULT_FILE).write_bytes(text)
