"""Commands that check and report: exit 1 if something is wrong."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Option

from livesale.cli.faults import BROKEN
from livesale.cli.flags import DataDir, Json, RedisUrl, SqlUrl

if TYPE_CHECKING:
    from livesale.action_log.store import LoggedAction
    from livesale.operations.audit import Check
    from livesale.operations.doctor import Finding
    from livesale.settings import Settings


def audit(
    redis: RedisUrl = None,
    sql: SqlUrl = None,
    data_dir: DataDir = None,
    settle: Annotated[
        float, Option(min=0, help="Seconds to wait until SQL has the whole log")
    ] = 10.0,
    full: Annotated[
        bool, Option("--full", help="Also read the rows of sealed drops: minutes, not seconds")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check the promises I1–I11, I13 and I14 on the running system: exit 1 if one is broken.

    Drops that finished long ago are checked by their seals; --full checks the seals themselves.
    """
    from livesale.cli.tables import print_checks, print_json
    from livesale.folders.data import refuse_blank
    from livesale.settings import load_settings
    from livesale.telemetry import logs

    settings = load_settings(redis__url=redis, sql__url=sql, data_dir=data_dir)
    logs.setup(settings, "audit")
    refuse_blank(settings)
    checks, drops = asyncio.run(_audit(settings, settle, full))
    if as_json:
        print_json(checks)
    else:
        print_checks(checks)
        if not drops:
            typer.echo("There are no drops yet: nothing to check.")
    if not all(check.ok for check in checks):
        raise typer.Exit(BROKEN)


async def _audit(settings: "Settings", settle_s: float, full: bool) -> "tuple[list[Check], bool]":
    """The checks, and whether there is any drop."""
    from sqlalchemy import select

    from livesale.database.engine import transaction
    from livesale.deployment.opening import open_deployment
    from livesale.ledger.tables import drops
    from livesale.operations.audit import audit as run_audit

    async with open_deployment(settings, role="audit") as deployment:
        checks = await run_audit(deployment, settle_s=settle_s, full=full)
        async with transaction(deployment.sql, write=False) as connection:
            some = await connection.scalar(select(drops.c.drop_id).limit(1))
        return checks, some is not None


def doctor(
    redis: RedisUrl = None, sql: SqlUrl = None, data_dir: DataDir = None, as_json: Json = False
) -> None:
    """Check versions, settings, stores, clocks and durability: exit 1 if there is a problem."""
    from livesale.cli.tables import print_findings, print_json
    from livesale.settings import load_settings
    from livesale.telemetry import logs

    settings = load_settings(redis__url=redis, sql__url=sql, data_dir=data_dir)
    logs.setup(settings, "doctor")
    findings = asyncio.run(_examine(settings))
    if as_json:
        print_json(findings)
    else:
        print_findings(findings)
    if any(finding.verdict == "problem" for finding in findings):
        raise typer.Exit(BROKEN)


def actions(
    redis: RedisUrl = None,
    sql: SqlUrl = None,
    data_dir: DataDir = None,
    limit: Annotated[int, Option(min=1, max=10_000, help="How many")] = 50,
    actor: Annotated[
        str, Option(help="Only actions of person|NAME, operator|NAME, buyer|ID or cli|USER@MACHINE")
    ] = "",
    object_id: Annotated[
        str, Option("--object", metavar="ID", help="Only actions on this object")
    ] = "",
    as_json: Json = False,
) -> None:
    """Show actions of operators, and of hosts in their rooms, the newest first."""
    from livesale.cli.tables import print_actions, print_json
    from livesale.settings import load_settings
    from livesale.telemetry import logs

    settings = load_settings(redis__url=redis, sql__url=sql, data_dir=data_dir)
    logs.setup(settings, "actions")
    found = asyncio.run(_list_actions(settings, limit, actor, object_id))
    if as_json:
        print_json(found)
    else:
        print_actions(found)


async def _list_actions(
    settings: "Settings", limit: int, actor: str, object_id: str
) -> "list[LoggedAction]":
    from livesale.action_log.store import Sought, list_actions
    from livesale.database.session import session
    from livesale.deployment.opening import open_sql, prepare_schema

    async with open_sql(settings) as engine:
        await prepare_schema(settings, engine)
        async with session(engine) as connection:
            return await list_actions(
                connection, Sought(actor=actor, object_id=object_id), limit=limit
            )


async def _examine(settings: "Settings") -> "list[Finding]":
    from livesale.operations.doctor import examine

    return [finding async for finding in examine(settings)]
