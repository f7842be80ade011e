"""`livesale quarantine …`: log entries in quarantine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from livesale.cli.faults import BROKEN
from livesale.cli.flags import DataDir, Json, RedisUrl, SqlUrl
from livesale.cli.opened import with_deployment

if TYPE_CHECKING:
    from livesale.ledger.quarantine import Aside
    from livesale.operations.quarantine import Outcome, Place
    from livesale.resources import Deployment

SHOWN = 1_000  # maximum of listed entries
LONGEST_NOTE = 200

Entry = Annotated[str, Argument(metavar="ENTRY", help="PARTITION:ID, such as 0:1790000-0")]
Note = Annotated[str, Option("--note", help="The reason; it is stored with the entry")]

group = typer.Typer(
    no_args_is_help=True, help="Show log entries in quarantine, and replay or dismiss them."
)


@group.callback()
def quarantine() -> None:
    """Show log entries in quarantine, and replay or dismiss them."""


@group.command("list")
def list_entries(
    every: Annotated[bool, Option("--all", help="Also replayed and dismissed entries")] = False,
    redis: RedisUrl = None,
    sql: SqlUrl = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """List entries in quarantine, in the order of the logs: at most 1,000."""
    from livesale.cli.quarantine_tables import print_entries
    from livesale.cli.tables import print_json

    async def read(deployment: "Deployment") -> "list[Aside]":
        from livesale.database.engine import transaction
        from livesale.ledger import quarantine as store

        states = tuple(store.QuarantineState) if every else (store.QuarantineState.ASIDE,)
        async with transaction(deployment.sql, write=False) as connection:
            return await store.page(connection, count=SHOWN, states=states)

    found = with_deployment(read, redis, sql, data_dir)
    if as_json:
        print_json(found)
    else:
        print_entries(found)


@group.command()
def show(
    entry: Entry,
    redis: RedisUrl = None,
    sql: SqlUrl = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show one entry: its fields, why it is in quarantine, and what happened to it."""
    from livesale.cli.quarantine_tables import print_entry
    from livesale.cli.tables import print_json

    place = _place(entry)

    async def read(deployment: "Deployment") -> "Aside":
        from livesale.operations.quarantine import find

        return await find(deployment, place)

    found = with_deployment(read, redis, sql, data_dir)
    if as_json:
        print_json(found)
    else:
        print_entry(found)


@group.command()
def replay(
    entries: Annotated[
        list[str] | None, Argument(metavar="[ENTRY]...", help="PARTITION:ID, such as 0:1790000-0")
    ] = None,
    every: Annotated[bool, Option("--all", help="All entries in quarantine")] = False,
    dry_run: Annotated[
        bool, Option("--dry-run", help="Show which entries would fit; change nothing")
    ] = False,
    redis: RedisUrl = None,
    sql: SqlUrl = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Write wrongly quarantined entries into SQL, each exactly once, in the order of the log.

    It refuses an entry that does not fit, with the reason, and exits 1; it replays the others. You
    can repeat it, run it twice at the same time, or kill it.
    """
    from livesale.cli.quarantine_tables import print_outcomes
    from livesale.cli.tables import print_json

    places = [_place(text) for text in entries or []]
    if bool(places) == every:
        raise typer.BadParameter("Name entries, or give --all.")

    async def run(deployment: "Deployment") -> "list[Outcome]":
        from livesale.operations.quarantine import all_aside, replay

        chosen = await all_aside(deployment) if every else places
        return await replay(deployment, chosen, dry_run=dry_run)

    outcomes = with_deployment(run, redis, sql, data_dir)
    if as_json:
        print_json(outcomes)
    else:
        print_outcomes(outcomes, dry_run=dry_run)
    if any(outcome.result == "refused" for outcome in outcomes):
        raise typer.Exit(BROKEN)


@group.command()
def dismiss(
    entry: Entry,
    note: Note,
    redis: RedisUrl = None,
    sql: SqlUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Dismiss an entry: it has no effect. It stays in SQL, and warnings about it stop."""
    _decide("dismiss", entry, note, redis, sql, data_dir)
    typer.echo(f"{entry} is dismissed.")


@group.command()
def add(
    entry: Entry,
    note: Note,
    redis: RedisUrl = None,
    sql: SqlUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Quarantine the entry that stops the writer, although a later version may have written it.

    Only for entries that somebody wrote by hand: a newer writer handles those of a later version.
    """
    _decide("put_aside", entry, note, redis, sql, data_dir)
    typer.echo(f"{entry} is in quarantine: the writer continues after it.")


def _decide(
    verb: str, entry: str, note: str, redis: str | None, sql: str | None, data_dir: Path | None
) -> None:
    place = _place(entry)
    if not 1 <= len(note) <= LONGEST_NOTE:
        raise typer.BadParameter(f"A note has 1 to {LONGEST_NOTE} characters.")

    async def run(deployment: "Deployment") -> None:
        from livesale.operations import quarantine as use_cases

        await getattr(use_cases, verb)(deployment, place, note)

    with_deployment(run, redis, sql, data_dir)


def _place(text: str) -> "Place":
    from livesale.operations.quarantine import parse_place

    try:
        return parse_place(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
