"""The output and progress of `livesale recover`."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from livesale.cli.tables import make_table
from livesale.printing.output import print_out
from livesale.printing.wording import counted

if TYPE_CHECKING:
    from livesale.operations.recovery import Diagnosis, Progress, Repaired


def print_diagnoses(found: "Sequence[Diagnosis]") -> None:
    table = make_table("", "", "what is wrong", "what `livesale recover --yes` would do")
    for each in found:
        mark = Text("healthy", "green") if each.healthy else Text("CLOSED", "bold red")
        table.add_row(f"p{each.partition:02d}", mark, Text(each.problem), Text(_would_do(each)))
    print_out(table)
    if any(not each.healthy and not each.cure for each in found):
        print_out(Text("Nothing was changed. `livesale recover --yes` does it.", "bold"))


def _would_do(found: "Diagnosis") -> str:
    if found.healthy:
        return "nothing"
    if found.cure:
        return f"nothing, it cannot help: {found.cure}"
    lines = [f"raise the epoch to {found.place.epoch + 1}"]
    left = (
        f"{counted(found.left_entries, 'log entry', 'log entries')} with "
        f"{counted(found.left_reservations, 'reservation')} and "
        f"{counted(found.left_payments, 'payment')}"
    )
    if found.left_entries and found.continuous:
        lines.append(f"take {left} into SQL")
    elif found.left_entries:
        lines.append(
            f"quarantine {left} from a wrong copy: what fits is kept, the rest is "
            "released or refunded"
        )
    lines.append(
        f"rebuild {counted(found.drops, 'drop')} with {counted(found.orders, 'order')} "
        f"({counted(found.held_units, 'unit')} held, {found.sold_units:,} sold)"
    )
    if found.unknown:
        lines.append(f"cannot be known: {found.unknown}")
    return "\n".join(lines)


def print_repaired(repaired: "Sequence[Repaired]") -> None:
    table = make_table("", "epoch", "salvaged", "fitted in", "drops", "orders")
    for each in repaired:
        numbers = (each.epoch, each.salvaged, each.fitted_in, each.drops, each.orders)
        table.add_row(f"p{each.partition:02d}", *[f"{number:,}" for number in numbers])
    print_out(table)


@contextmanager
def show_progress(*, quiet: bool) -> "Iterator[Callable[[Progress], None] | None]":
    """A progress line on standard error."""
    if quiet:
        yield None
        return
    console = Console(stderr=True, highlight=False)
    with console.status("…") as status:
        steps: set[tuple[int, str]] = set()

        def note(progress: "Progress") -> None:
            line = f"p{progress.partition:02d}: {progress.step}"
            status.update(f"{line}: {progress.drops:,} drops, {progress.orders:,} orders")
            if (progress.partition, progress.step) not in steps:
                steps.add((progress.partition, progress.step))
                console.print(line)

        yield note
