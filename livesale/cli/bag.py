"""`livesale bag …`: check the draw of a lucky bag from its public record."""

from typing import Annotated

import typer
from typer import Argument, FileBinaryRead, Option

from livesale.cli.faults import BROKEN, FAILED
from livesale.draws import lots as draw
from livesale.printing.wording import counted

group = typer.Typer(no_args_is_help=True, help="Check the draw of a lucky bag.")


@group.callback()
def bag() -> None:
    """Check the draw of a lucky bag."""


@group.command()
def check(
    record: Annotated[
        FileBinaryRead,
        Argument(
            metavar="FILE",
            help="The answer of GET /v1/rooms/ROOM_ID/bags/BAG_ID after the draw; - for stdin",
        ),
    ],
    commitment: Annotated[
        str | None, Option(metavar="HEX", help="The commitment that was shown before the draw")
    ] = None,
    entry: Annotated[
        str | None, Option(metavar="ENTRY_ID", help="An entry that must be in the list")
    ] = None,
) -> None:
    """Replay a draw. Needs no service, no network, and no trust in the operator.

    Exit 1 if the draw does not match its record, 3 if the record cannot be read.
    """
    try:
        found = draw.read_record(record.read())
    except (OSError, ValueError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(FAILED) from None
    faults = draw.find_faults(found)
    if commitment is not None and commitment != found.bag.commitment:
        faults.append("the commitment is not the one that was shown before the draw")
    if entry is not None and entry not in found.entry_ids:
        faults.append(f"{entry} is not in the list")
    for fault in faults:
        typer.echo(f"BROKEN: {fault}", err=True)
    if faults:
        raise typer.Exit(BROKEN)
    won = counted(len(found.bag.winners), "winner")
    typer.echo(f"The draw holds: {won} of {len(found.entry_ids)}, as seed and list say.")
