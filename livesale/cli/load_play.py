"""Runs a load test: starts a system if asked, runs Locust, checks, audits."""

import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import msgspec
from sqlalchemy import select

from livesale.cli.load_tables import Progress
from livesale.database.session import session
from livesale.demo.options import DemoOptions
from livesale.demo.stage import LOG_FILE, set_stage, settings_of_the_demo
from livesale.deployment.opening import open_deployment
from livesale.errors import LivesaleError
from livesale.folders.data import is_blank
from livesale.ledger.tables import drops
from livesale.operations.audit import Check, audit
from livesale.processes.signals import end_as_ctrl_c_does
from livesale.resources import Deployment
from livesale.settings import Settings
from livesale.tasks.pdeathsig import die_with_parent
from livesale.tokens.signing import TokenSigner
from loadtests.after import Result, conclude, keep
from loadtests.client import LoopTime, Pool, PoolLine
from loadtests.run import Play, run_locust
from loadtests.target import parse_target

OPERATOR = "load"
SYSTEM_LOG = "system.log"
UNLIMITED = 1_000_000  # for one address, because all load comes from one


async def play_and_judge(
    settings: Settings,
    play: Play,
    budget: float | None,
    settle_s: float,
    progress: Progress,
    workers: int,
) -> Result:
    """Run against `play.target`, or, with `workers`, against a new system.

    Raises LoadFailed, LoadRefused, TargetAway, SaleRefused, or a LivesaleError if it cannot run.
    """
    end_as_ctrl_c_does()
    if not workers:
        token = play.operator_token or TokenSigner.from_settings(settings).operator(OPERATOR)
        play = msgspec.structs.replace(play, operator_token=token)
        result = await _judged(play, budget, settle_s, progress)
        return await _audited(result, settings, settle_s, progress)
    progress.say("starting the system")
    async with _system(settings, workers, play.report) as (deployment, url):
        token = TokenSigner.from_settings(deployment.settings).operator(OPERATOR)
        play = msgspec.structs.replace(play, operator_token=token, target=parse_target(url))
        result = await _judged(play, budget, settle_s, progress)
        progress.say("auditing")
        checks = await audit(deployment, settle_s=settle_s)
        progress.say("stopping the system")
    return _with_audit(result, checks)


async def _judged(play: Play, budget: float | None, settle_s: float, progress: Progress) -> Result:
    progress.say("starting Locust")
    await run_locust(play, progress.show, die_with_parent())
    progress.say("waiting for SQL, and checking")
    with closing(Pool(play.target, 1)) as pool:
        return await conclude(
            play.scenario,
            play.target,
            play.report,
            PoolLine(pool),
            LoopTime(),
            play.operator_token,
            budget=budget,
            settle_s=settle_s,
        )


async def _audited(
    result: Result, settings: Settings, settle_s: float, progress: Progress
) -> Result:
    """Add the audit, if the settings here are those of the tested service."""
    if is_blank(settings):
        return _with_audit(result, [])
    progress.say("auditing")
    try:
        async with open_deployment(settings, role="audit") as deployment:
            known = await _knows(deployment, result.drop_ids)
            checks = await audit(deployment, settle_s=settle_s) if known else []
    except LivesaleError:
        checks = []  # the stores of these settings are unavailable
    return _with_audit(result, checks)


async def _knows(deployment: Deployment, drop_ids: list[str]) -> bool:
    query = select(drops.c.drop_id).where(drops.c.drop_id.in_(drop_ids)).limit(1)
    async with session(deployment.sql) as connection:
        return (await connection.execute(query)).first() is not None


def _with_audit(result: Result, checks: list[Check]) -> Result:
    """Add the audit, and save the result."""
    ok = result.ok and all(check.ok for check in checks)
    whole = msgspec.structs.replace(result, ok=ok, audit=msgspec.to_builtins(checks))
    keep(whole)
    return whole


@asynccontextmanager
async def _system(
    settings: Settings, workers: int, report: Path
) -> AsyncIterator[tuple[Deployment, str]]:
    """Like the demo's system, with its own stores by default, without limits per address."""
    named = DemoOptions(workers=workers, redis=settings.redis.url, sql=settings.sql.url)
    with tempfile.TemporaryDirectory(prefix="livesale-load-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        fit = settings_of_the_demo(settings, named, folder)
        limits = {"address_per_s": float(UNLIMITED), "address_burst": UNLIMITED}
        fit = fit.model_copy(update={"limits": fit.limits.model_copy(update=limits)})
        try:
            async with set_stage(fit) as (deployment, url):
                yield deployment, url
        finally:
            _keep_log(folder / LOG_FILE, report)


def _keep_log(log: Path, report: Path) -> None:
    with contextlib.suppress(FileNotFoundError):  # it ended before it began
        report.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(log, report / SYSTEM_LOG)
