"""What commands print: a table for people, JSON for programs. No I/O but standard output."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from livesale.audit import Check
    from livesale.doctor import Finding
    from livesale.sales.books import DropBooks
    from livesale.store.catalogue import Drop

PIPE_WIDTH = 160
_COLOUR = {"good": "green", "note": "yellow", "problem": "bold red"}  # by doctor.Verdict


def print_json(value: Any) -> None:
    """Any of the types here, or a list of them, as one line."""
    typer.echo(msgspec.json.encode(value).decode())


def print_checks(checks: "Sequence[Check]") -> None:
    table = make_table("", "promise", "", "what was seen")
    for check in checks:
        mark = Text("holds", "green") if check.ok else Text("BROKEN", "bold red")
        table.add_row(check.invariant, check.title, mark, Text(check.detail))
    print_plain(table)


def print_findings(findings: "Sequence[Finding]") -> None:
    table = make_table("", "", "what was found")
    for finding in findings:
        colour = _COLOUR[finding.verdict]
        text = Text(finding.text)
        if finding.cure:
            text.append(f"\n{finding.cure}", "bold")
        table.add_row(finding.topic, Text(finding.verdict, colour), text)
    print_plain(table)


def print_drops(drops: "Sequence[Drop]") -> None:
    table = make_table("drop", "title", "state", "units", "price", "opens", "closes")
    for column in table.columns[-2:]:
        column.no_wrap = True
    for drop in drops:
        table.add_row(
            drop.drop_id,
            Text(drop.title),
            drop.state,
            f"{drop.allotted:,}",
            f"¥{drop.price_fen / 100:,.2f}",
            _moment(drop.opens_ms),
            _moment(drop.closes_ms),
        )
    print_plain(table)


def print_books(books: "DropBooks") -> None:
    table = make_table(f"drop {books.drop_id}", *books.redis.__struct_fields__)
    for side, counters in (("redis", books.redis), ("sql", books.sql)):
        table.add_row(side, *[f"{number:,}" for number in msgspec.structs.astuple(counters)])
    print_plain(table)
    verdict = Text("the books hold", "green") if books.ok else Text("BROKEN", "bold red")
    verdict.append(f": {books.state}, {books.lag_entries} log entries on their way to SQL", "not b")
    print_plain(verdict)


def make_table(*columns: str) -> Table:
    """An empty table in the style of all commands."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def print_plain(what: Table | Text) -> None:
    """Print without colouring numbers."""
    # In a pipe nobody sets a width: lines may be as long as they need to be.
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    Console(highlight=False, width=width).print(what)


def _moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone().strftime("%F %T %z")
