"""`livesale drop …`: operators' commands for drops, without HTTP."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from livesale.cli.faults import BROKEN
from livesale.cli.flags import DataDir, Json, RedisUrl, SqlUrl
from livesale.cli.new_drop import create
from livesale.cli.opened import show_drop, with_deployment
from livesale.printing.wording import counted
from stock.ids import desk_id, is_buyer_id, shell_id
from stock.model import MAX_UNITS

if TYPE_CHECKING:
    from livesale.catalogue.store import Drop
    from livesale.resources import Deployment
    from livesale.sales.drops import Drops

group = typer.Typer(
    no_args_is_help=True,
    help="Create, open, pause, resume, close and adjust drops; show their books.",
)

group.command()(create)

DropId = Annotated[
    str, Argument(metavar="DROP_ID", help="The drop's id; `livesale drop list` shows it")
]


@group.command("open")
def open_drop(
    drop_id: DropId,
    redis: RedisUrl = None,
    sql: SqlUrl = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Put a drop on sale from its opening time on."""
    _change("open", drop_id, lambda drops: drops.open(drop_id), redis, sql, data_dir, as_json)


@group.command()
def pause(
    drop_id: DropId,
    redis: RedisUrl = None,
    sql: SqlUrl = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Refuse new reservations for a while."""
    _change("pause", drop_id, lambda drops: drops.pause(drop_id), redis, sql, data_dir, as_json)


@group.command()
def resume(
    drop_id: DropId,
    redis: RedisUrl = None,
    sql: SqlUrl = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Sell again after a pause."""
    _change("resume", drop_id, lambda drops: drops.resume(drop_id), redis, sql, data_dir, as_json)


@group.command()
def close(
    drop_id: DropId,
    redis: RedisUrl = None,
    sql: SqlUrl = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """End a sale. Holds may still be paid."""
    _change("close", drop_id, lambda drops: drops.close(drop_id), redis, sql, data_dir, as_json)


@group.command()
def adjust(
    drop_id: DropId,
    delta: Annotated[
        int,
        Option(min=-MAX_UNITS, max=MAX_UNITS, help="Units to add; below 0 to scrap (--delta=-5)"),
    ],
    reason: Annotated[str, Option(help="Reason, for the ledger")],
    key: Annotated[str | None, Option(help="The same key adjusts only once")] = None,
    operator: Annotated[
        str | None,
        Option(metavar="NAME", help="Whose key it is: then it counts once with the console's, too"),
    ] = None,
    redis: RedisUrl = None,
    sql: SqlUrl = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Restock a drop, or scrap what is available of it."""
    if delta == 0:
        raise typer.BadParameter("The delta must not be 0.", param_hint="--delta")
    if operator is not None and key is None:
        raise typer.BadParameter("It says whose key it is: give a --key.", param_hint="--operator")
    if operator is not None and not is_buyer_id(operator):
        raise typer.BadParameter("It is no name of an operator.", param_hint="--operator")

    async def run(deployment: "Deployment") -> Any:
        from livesale.sales.drops import Drops

        adjust_id = None
        if key is not None:
            adjust_id = desk_id(drop_id, operator, key) if operator else shell_id(drop_id, key)
        return await Drops(deployment).adjust(drop_id, delta, reason, adjust_id)

    asked = {"drop_id": drop_id, "delta": delta, "reason": reason, "key": key}
    asked |= {} if operator is None else {"operator": operator}
    done = with_deployment(run, redis, sql, data_dir, ("drop adjust", drop_id, asked))
    if as_json:
        from livesale.cli.tables import print_json

        print_json(done)
    else:
        typer.echo(f"{done.drop_id}: {done.delta:+,}, {counted(done.available, 'unit')} available.")


@group.command()
def challenge(
    drop_id: DropId,
    difficulty: Annotated[
        int,
        Option(
            min=0, max=1_000_000, help="Average number of attempts for a buyer; 0: no challenge"
        ),
    ],
    redis: RedisUrl = None,
    sql: SqlUrl = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Require a proof of work for purchase tickets, or stop requiring it."""
    _change(
        "challenge",
        drop_id,
        lambda drops: drops.set_challenge(drop_id, difficulty),
        *(redis, sql, data_dir, as_json),
        difficulty=difficulty,
    )


@group.command()
def books(
    drop_id: DropId,
    redis: RedisUrl = None,
    sql: SqlUrl = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show a drop's books in Redis and SQL: exit 1 unless they agree."""
    from livesale.cli.tables import print_books, print_json

    async def run(deployment: "Deployment") -> Any:
        from livesale.sales.drops import Drops

        return await Drops(deployment).books(drop_id)

    found = with_deployment(run, redis, sql, data_dir)
    if as_json:
        print_json(found)
    else:
        print_books(found)
    if not found.ok:
        raise typer.Exit(BROKEN)


@group.command("list")
def list_drops(
    redis: RedisUrl = None,
    sql: SqlUrl = None,
    data_dir: DataDir = None,
    limit: Annotated[int, Option(min=1, max=1_000, help="How many")] = 50,
    as_json: Json = False,
) -> None:
    """The newest drops."""
    from livesale.cli.tables import print_drops, print_json

    async def run(deployment: "Deployment") -> Any:
        from livesale.sales.drops import Drops

        return await Drops(deployment).list(limit=limit)

    found = with_deployment(run, redis, sql, data_dir)
    if as_json:
        print_json(found)
    else:
        print_drops(found)


def _change(
    verb: str,
    drop_id: str,
    step: "Callable[[Drops], Awaitable[Drop]]",
    redis: str | None,
    sql: str | None,
    data_dir: DataDir,
    as_json: bool,
    **asked: int,
) -> None:
    async def run(deployment: "Deployment") -> "Drop":
        from livesale.sales.drops import Drops

        return await step(Drops(deployment))

    deed = f"drop {verb}", drop_id, {"drop_id": drop_id, **asked}
    show_drop(with_deployment(run, redis, sql, data_dir, deed), as_json)
