"""`livesale recover`: shows the faults and the plan; executes it with --yes."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Option

from livesale.cli.faults import BROKEN
from livesale.cli.flags import DataDir, Json, RedisUrl, SqlUrl

if TYPE_CHECKING:
    from livesale.operations.audit import Check
    from livesale.operations.recovery import Diagnosis, Repaired
    from livesale.settings import Settings


def recover(
    yes: Annotated[bool, Option("--yes", help="Execute. Without --yes nothing changes")] = False,
    partition: Annotated[
        int | None, Option(min=0, max=99, help="Only this partition; default: all that need it")
    ] = None,
    redis: RedisUrl = None,
    sql: SqlUrl = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Rebuild a Redis that was lost, or is older than SQL: a dry run unless --yes is given.

    Exit 0 if everything is healthy or was recovered; 1 if something needs recovery, or the audit
    after it failed.
    """
    from livesale.cli import recovery_tables
    from livesale.cli.tables import print_checks, print_json
    from livesale.settings import load_settings
    from livesale.telemetry import logs

    settings = load_settings(redis__url=redis, sql__url=sql, data_dir=data_dir)
    logs.setup(settings, "recover")
    if not yes:
        found = asyncio.run(_look(settings, partition))
        if as_json:
            print_json(found)
        else:
            recovery_tables.print_diagnoses(found)
        if not all(each.healthy for each in found):
            raise typer.Exit(BROKEN)
        return
    repaired, checks = asyncio.run(_recover(settings, partition, quiet=as_json))
    if as_json:
        print_json({"repaired": repaired, "audit": checks})
    else:
        recovery_tables.print_repaired(repaired)
        print_checks(checks)
    # Without I9: lateness depends on the running processes, not on the recovery.
    if not all(check.ok for check in checks if check.invariant != "I9"):
        raise typer.Exit(BROKEN)


async def _look(settings: "Settings", partition: int | None) -> "list[Diagnosis]":
    from livesale.operations.recovery import diagnose, open_for_recovery

    async with open_for_recovery(settings) as deployment:
        return [await diagnose(deployment, number) for number in _numbers(settings, partition)]


async def _recover(
    settings: "Settings", partition: int | None, *, quiet: bool
) -> "tuple[list[Repaired], list[Check]]":
    from livesale.cli.recorded import recorded
    from livesale.cli.recovery_tables import show_progress
    from livesale.operations.audit import audit
    from livesale.operations.recovery import diagnose, open_for_recovery, repair

    async with open_for_recovery(settings) as deployment:
        found = [await diagnose(deployment, number) for number in _numbers(settings, partition)]
        needing = [each for each in found if not each.healthy] or found[:1]
        asked = {"partitions": [each.partition for each in needing]}
        with show_progress(quiet=quiet) as note:
            async with recorded(deployment.sql, "recover", "", asked):
                repaired = [await repair(deployment, each, note) for each in needing]
        return repaired, await audit(deployment)


def _numbers(settings: "Settings", partition: int | None) -> list[int]:
    number = settings.stock.partitions
    if partition is None:
        return list(range(number))
    if partition >= number:
        raise typer.BadParameter(f"The partitions are 0 to {number - 1}.")
    return [partition]
