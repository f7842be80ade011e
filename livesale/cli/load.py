"""`livesale load`: runs a scenario of loadtests/ against a service, and checks the result."""

import asyncio
import os
import time
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from livesale.cli.faults import BROKEN, FAILED, INTERRUPTED, REFUSED, say
from livesale.cli.flags import DataDir, Json, RedisUrl, SqlUrl

MAX_USERS = 100_000
WEEK_S = 7 * 24 * 3_600


def load(
    scenario: Annotated[str | None, Argument(help="The scenario; without it, list them")] = None,
    listed: Annotated[bool, Option("--list", help="List the scenarios")] = False,
    host: Annotated[
        str, Option("--host", metavar="URL", help="The service")
    ] = "http://127.0.0.1:8080",
    up: Annotated[
        bool,
        Option(
            "--up", help="Start a system for the test, with suitable limits, and stop it afterwards"
        ),
    ] = False,
    users: Annotated[
        int | None, Option(min=1, max=MAX_USERS, help="Largest number of users")
    ] = None,
    duration: Annotated[
        int | None, Option(min=5, max=WEEK_S, metavar="S", help="Duration in seconds")
    ] = None,
    processes: Annotated[
        int | None, Option(min=1, max=64, help="Processes of the crowd; default 2")
    ] = None,
    report: Annotated[
        Path | None, Option(metavar="FOLDER", help="Folder of the reports; default: a new one")
    ] = None,
    tokens: Annotated[
        Path | None, Option(metavar="FILE", help="Buyers' tokens, if login by name is off")
    ] = None,
    budget: Annotated[
        float | None,
        Option(min=0, max=100, metavar="PERCENT", help="Allowed share of 5xx and missing answers"),
    ] = None,
    settle: Annotated[
        float, Option(min=0, max=3_600, help="Seconds to wait until SQL has the whole log")
    ] = 30.0,
    own: Annotated[
        list[str] | None,
        Option(
            "--i-own-this-host", metavar="HOST", help="Required for a host that is not loopback"
        ),
    ] = None,
    workers: Annotated[int, Option(min=1, max=64, help="API workers of --up")] = 2,
    redis: RedisUrl = None,
    sql: SqlUrl = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Load-test a service: exit 0 only if nothing is lost, invented or oversold, and 5xx are rare.

    If the settings here are those of the service, no operator's token is needed, and an audit runs.
    """
    from loadtests.scenarios import SCENARIOS

    if listed or scenario is None:
        for each in SCENARIOS.values():
            typer.echo(f"{each.name:15} {each.about} ({each.users} users, {each.lasts_s} s)")
        return
    if scenario not in SCENARIOS:
        names = ", ".join(SCENARIOS)
        say(f"there is no scenario {scenario!r}.", f"The scenarios are {names}.")
        raise typer.Exit(REFUSED)

    from livesale.cli.load_play import play_and_judge
    from livesale.cli.load_tables import print_result, show_progress
    from livesale.cli.tables import print_json
    from livesale.settings import load_settings
    from loadtests.run import LoadFailed, LoadRefused, Play, is_installed
    from loadtests.sale import SaleRefused
    from loadtests.target import TargetAway, TargetRefused, check_answers, parse_target

    if not is_installed():
        say("load tests need Locust.", "Install it: pip install 'livesale[load]'")
        raise typer.Exit(REFUSED)
    settings = load_settings(redis__url=redis, sql__url=sql, data_dir=data_dir)
    chosen = SCENARIOS[scenario]
    folder = report or Path("load-reports") / f"{scenario}-{time.strftime('%Y%m%d-%H%M%S')}"
    if (folder / "journal").exists():
        say(f"{folder} holds another run.", "Use a new folder: --report FOLDER")
        raise typer.Exit(REFUSED)
    try:
        target = parse_target(host, own or ())
        if not up:
            check_answers(target)
        play = Play(
            chosen,
            target,
            os.environ.get("LIVESALE_LOAD_OPERATOR_TOKEN", ""),
            users or chosen.users,
            duration or chosen.lasts_s,
            processes or 2,
            folder.absolute(),
            tokens.absolute() if tokens else None,
            tuple(own or ()),
        )
        share = None if budget is None else budget / 100
        with show_progress(play, quiet=as_json) as progress:
            result = asyncio.run(
                play_and_judge(settings, play, share, settle, progress, workers if up else 0)
            )
    except (TargetRefused, SaleRefused, LoadRefused) as problem:
        say(str(problem))
        raise typer.Exit(REFUSED) from None
    except (TargetAway, LoadFailed) as problem:
        say(str(problem), "" if up else "`livesale load … --up` starts a system.")
        raise typer.Exit(FAILED) from None
    except (KeyboardInterrupt, asyncio.CancelledError):
        say("interrupted; nothing is left running.")
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        print_json(result)
    else:
        print_result(result)
    if not result.ok:
        raise typer.Exit(BROKEN)
