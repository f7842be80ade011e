"""`livesale operator …`: the people who may log in."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from typer import Argument, Option

from livesale.cli.flags import DataDir, Json, SqlUrl

if TYPE_CHECKING:
    from pathlib import Path

    from livesale.identity.operators.service import Operators
    from livesale.identity.operators.views import OperatorView

T = TypeVar("T")

Name = Annotated[str, Argument(metavar="NAME", help="1 to 40 of a-z 0-9 _ -")]

group = typer.Typer(
    no_args_is_help=True, help="Add, list and revoke operators, and make links that log them in."
)


@group.callback()
def operator() -> None:
    """Add, list and revoke operators, and make links that log them in."""


@group.command()
def add(
    name: Name,
    role: Annotated[
        list[str] | None, Option(help="owner (by default), sale, finance, room, clerk or viewer")
    ] = None,
    store: Annotated[
        str | None, Option(metavar="ID", help="With --role clerk: the pickup store")
    ] = None,
    sql: SqlUrl = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Add an operator. `livesale operator login NAME` then lets the operator in."""
    import msgspec

    from livesale.identity.operators.service import NewOperator

    given = {"name": name, "roles": role or ["owner"], "store_id": store}
    try:
        new = msgspec.convert(given, NewOperator)
    except msgspec.ValidationError as error:
        raise typer.BadParameter(str(error)) from None
    _show([_run(lambda them: them.add(new), sql, data_dir, ("operator add", name, given))], as_json)


@group.command("list")
def list_all(sql: SqlUrl = None, data_dir: DataDir = None, as_json: Json = False) -> None:
    """List the operators, by name."""

    async def read(them: "Operators") -> "list[OperatorView]":
        found: list[OperatorView] = []
        after: str | None = ""
        while after is not None:
            page = await them.page(after, 100)
            found += page.operators
            after = page.next
        return found

    _show(_run(read, sql, data_dir), as_json)


@group.command()
def login(
    name: Name,
    url: Annotated[
        str | None, Option(metavar="URL", help="Where the operator's browser finds livesale")
    ] = None,
    sql: SqlUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Print a link that logs an operator in, once, within ten minutes. Earlier links end."""
    from livesale.processes.banner import url_of
    from livesale.settings import load_settings

    made = _run(lambda them: them.make_link(name), sql, data_dir, ("operator login", name, {}))
    base = (url or url_of(load_settings(sql__url=sql, data_dir=data_dir))).rstrip("/")
    # Behind the #: a browser sends that to no server, so no log has it.
    typer.echo(f"{base}/console#login={made.link}")


@group.command()
def revoke(name: Name, sql: SqlUrl = None, data_dir: DataDir = None, as_json: Json = False) -> None:
    """End all sessions of an operator, who cannot log in any more."""
    _show(
        [_run(lambda them: them.revoke(name), sql, data_dir, ("operator revoke", name, {}))],
        as_json,
    )


@group.command()
def restore(
    name: Name, sql: SqlUrl = None, data_dir: DataDir = None, as_json: Json = False
) -> None:
    """Let a revoked operator in again, by a link."""
    _show(
        [_run(lambda them: them.restore(name), sql, data_dir, ("operator restore", name, {}))],
        as_json,
    )


def _run(
    work: "Callable[[Operators], Awaitable[T]]",
    sql: str | None,
    data_dir: "Path | None",
    deed: tuple[str, str, Mapping[str, Any]] | None = None,
) -> T:
    """Do it on the database of the settings. A change has a `deed`, which is recorded: the command,
    the name, and the arguments."""
    from livesale.cli.recorded import recorded
    from livesale.deployment.opening import open_sql, prepare_schema
    from livesale.identity.operators.service import Operators
    from livesale.identity.operators.sessions import SessionBook
    from livesale.settings import load_settings
    from livesale.telemetry import logs
    from livesale.tokens.keyring import Keyring

    settings = load_settings(sql__url=sql, data_dir=data_dir)
    logs.setup(settings, "operator")

    async def inside() -> T:
        async with open_sql(settings) as engine:
            await prepare_schema(settings, engine)
            sessions = SessionBook(engine, settings.auth, Keyring.from_settings(settings))
            them = Operators(engine, settings.auth, sessions)
            if deed is None:
                return await work(them)
            async with recorded(engine, *deed):
                return await work(them)

    return asyncio.run(inside())


def _show(found: "list[OperatorView]", as_json: bool) -> None:
    from livesale.cli.tables import print_json, print_operators

    if as_json:
        print_json(found)
    else:
        print_operators(found)
