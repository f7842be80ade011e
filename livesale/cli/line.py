"""`livesale line …`: check a place in a line from what was published."""

from typing import Annotated, Any

import msgspec
import typer
from msgspec import Struct
from typer import Argument, FileBinaryRead, Option

from livesale.cli.faults import BROKEN, FAILED
from livesale.draws.lots import commitment_of
from livesale.draws.order import Order
from livesale.line.drawn import find_faults, read_record

group = typer.Typer(no_args_is_help=True, help="Check the order of a line.")


class Record(Struct):
    """The answer of GET /v1/drops/DROP_ID/line, once the line is open."""

    commitment: str
    seed: str
    n0: int | None
    closing_id: str


class Form(Struct):
    """Which of the two records it is: only a draw has a list."""

    entry_ids: Any = None


@group.callback()
def line() -> None:
    """Check the order of a line."""


@group.command()
def check(
    record: Annotated[
        FileBinaryRead,
        Argument(
            metavar="FILE",
            help="The answer of GET /v1/drops/DROP_ID/line, once the line is open, or of "
            "GET /v1/drops/DROP_ID/draw; - for stdin",
        ),
    ],
    commitment: Annotated[
        str | None, Option(metavar="HEX", help="The commitment that was shown before the opening")
    ] = None,
    index: Annotated[int | None, Option(min=0, help="The index of your place")] = None,
    position: Annotated[
        int | None,
        Option(min=0, help="The position that you were told: needs --index, or --entry in a draw"),
    ] = None,
    entry: Annotated[
        str | None, Option(metavar="ID", help="The id of your entry, in a draw")
    ] = None,
) -> None:
    """Compute a position, or a whole draw. Needs no service, no network, no trust in anybody.

    Exit 1 if something does not match, 3 if the record cannot be read.
    """
    try:
        raw = record.read()
        form = msgspec.json.decode(raw, type=Form)
        if form.entry_ids is not None:
            _check_draw(raw, commitment, entry, index, position)
            return
        found = msgspec.json.decode(raw, type=Record)
        own = commitment_of(found.seed)
    except (OSError, ValueError, RecursionError) as error:
        typer.echo(f"it is no record of an open line or of a draw: {error}", err=True)
        raise typer.Exit(FAILED) from None
    if not found.closing_id or found.n0 is None:
        typer.echo("the line is not open yet: its seed is still secret", err=True)
        raise typer.Exit(FAILED)
    faults = []
    if own != found.commitment:
        faults.append(f"the commitment is not that of the seed, which is {own}")
    if commitment is not None and commitment != found.commitment:
        faults.append("the commitment is not the one that was shown before the opening")
    computed = None
    if index is not None:
        computed = Order(found.seed, found.n0, found.closing_id).position_of(index)
        if position is not None and position != computed:
            faults.append(f"place {index} has the position {computed}, not {position}")
    _end(faults)
    where = "" if computed is None else f" Place {index} has the position {computed}."
    typer.echo(f"The order holds: {found.n0:,} early places, as the seed says.{where}")


def _check_draw(
    raw: bytes,
    commitment: str | None,
    entry: str | None,
    index: int | None,
    position: int | None,
) -> None:
    record = read_record(raw)
    faults = find_faults(record)
    if commitment is not None and commitment != record.commitment:
        faults.append("the commitment is not the one that was shown before the opening")
    if index is not None:
        faults.append("in a draw, give --entry instead of --index")
    rank = None
    if entry is not None and entry not in record.entry_ids:
        faults.append(f"{entry} is not in the list")
    elif entry is not None and not faults:
        rank = record.order.index(record.entry_ids.index(entry))
        if position is not None and position != rank:
            faults.append(f"{entry} has the position {rank}, not {position}")
    _end(faults)
    where = "" if rank is None else f" {entry} has the position {rank}."
    typer.echo(f"The draw holds: {len(record.order):,} entries, as the seed says.{where}")


def _end(faults: list[str]) -> None:
    for fault in faults:
        typer.echo(f"BROKEN: {fault}", err=True)
    if faults:
        raise typer.Exit(BROKEN)
