"""The commands by name, in groups."""

from typing import Annotated

import typer

from livesale.cli import (
    bag,
    call,
    drops,
    inspect,
    line,
    load,
    mini_program,
    operators,
    quarantine,
    recover,
    run,
    setup,
)
from livesale.cli.streams import Commands

app = typer.Typer(
    name="livesale",
    cls=Commands,
    add_completion=False,
    help="Sells scarce goods to a crowd, each unit once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"livesale {version('livesale')}")
        raise typer.Exit


@app.callback()
def livesale(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Sells scarce goods to a crowd, each unit once."""


app.command()(run.demo)
app.command()(run.up)
app.command()(run.serve)
app.command()(run.writer)
app.command()(run.keeper)
app.command("api-worker", hidden=True)(run.api_worker)
app.command()(setup.migrate)
app.command()(setup.token)
app.command()(call.call)
app.command("mini-program")(mini_program.mini_program)
app.add_typer(operators.group, name="operator")
app.add_typer(drops.group, name="drop")
app.add_typer(bag.group, name="bag")
app.add_typer(line.group, name="line")
app.add_typer(quarantine.group, name="quarantine")
app.command()(inspect.audit)
app.command()(inspect.actions)
app.command()(inspect.doctor)
app.command()(recover.recover)
app.command()(load.load)
