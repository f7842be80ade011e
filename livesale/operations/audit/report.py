"""Prints an audit for people: a row for each promise, then one line. No I/O."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from livesale.ledger.check import Check


def table_of(*sections: Sequence[Check]) -> Table:
    """The checks as a table, with a line between the sections."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("", no_wrap=True, min_width=3)
    table.add_column("promise", overflow="fold")
    table.add_column("", no_wrap=True)
    table.add_column("what was seen", overflow="fold", style="grey62")
    for checks in sections:
        for check in checks:
            mark = Text("✓", "bold green") if check.ok else Text("BROKEN", "bold red")
            table.add_row(check.invariant, Text(check.title), mark, Text(check.detail))
        table.add_section()
    return table


def closing(ok: bool, how: str = "") -> Text:
    """The last line; `how` follows it if the books hold."""
    if not ok:
        return Text("● The books do NOT hold.", "bold red")
    return Text.assemble(("● The books hold.", "bold green"), f" {how}" if how else "")
