"""Commands for before a sale: the tables, and tokens."""

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Option

from livesale.cli.flags import DataDir, SqlUrl

if TYPE_CHECKING:
    from livesale.settings import Settings

MAX_TOKENS = 10_000_000


def migrate(sql: SqlUrl = None, data_dir: DataDir = None) -> None:
    """Create or upgrade the tables. Safe to run twice, and while everything runs."""
    from livesale.settings import load_settings

    revision = asyncio.run(_migrate(load_settings(sql__url=sql, data_dir=data_dir)))
    typer.echo(f"The tables are at revision {revision}.")


async def _migrate(settings: "Settings") -> str:
    from livesale.database.schema import migrate as upgrade
    from livesale.deployment.opening import open_sql
    from livesale.deployment.startup import check_sql

    async with open_sql(settings) as engine:
        await check_sql(engine, settings.redis.durability)
        return await upgrade(engine)


def token(
    buyer: Annotated[str | None, Option(metavar="ID", help="A token for this buyer")] = None,
    buyers: Annotated[
        int | None, Option(min=1, max=MAX_TOKENS, help="This many buyers, one token on each line")
    ] = None,
    prefix: Annotated[str, Option(help="With --buyers: the prefix of their ids")] = "buyer-",
    operator: Annotated[str | None, Option(metavar="NAME", help="A token for an operator")] = None,
    role: Annotated[
        list[str] | None,
        Option(help="With --operator: owner, sale, finance, room or viewer; owner by default"),
    ] = None,
) -> None:
    """Print tokens, signed with the secret of the settings."""
    from livesale.settings import load_settings
    from livesale.tokens.signing import TokenSigner

    if sum(given is not None for given in (buyer, buyers, operator)) != 1:
        raise typer.BadParameter("Use one of --buyer, --buyers and --operator.")
    signer = TokenSigner.from_settings(load_settings())
    try:
        if operator is not None:
            typer.echo(signer.operator(operator, role or ["owner"]))
        elif buyer is not None:
            typer.echo(signer.buyer(buyer))
        else:
            assert buyers is not None  # noqa: S101  one of the three is set
            lines = (f"{signer.buyer(f'{prefix}{number}')}\n" for number in range(1, buyers + 1))
            sys.stdout.writelines(lines)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
