"""The output of commands: a table for people, JSON for programs. No I/O but standard output."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from livesale.printing.output import print_json as print_json
from livesale.printing.output import print_out
from livesale.printing.wording import counted

if TYPE_CHECKING:
    from livesale.action_log.store import LoggedAction
    from livesale.catalogue.store import Drop
    from livesale.identity.operators.views import OperatorView
    from livesale.operations.audit import Check
    from livesale.operations.doctor import Finding
    from livesale.sales.books import DropBooks

_COLOUR = {"good": "green", "note": "yellow", "problem": "bold red"}  # by doctor.Verdict


def print_checks(checks: "Sequence[Check]") -> None:
    from livesale.operations.audit import report

    print_out(report.table_of(checks), report.closing(all(check.ok for check in checks)))


def print_findings(findings: "Sequence[Finding]") -> None:
    table = make_table("check", "", "result")
    for finding in findings:
        colour = _COLOUR[finding.verdict]
        text = Text(finding.text)
        if finding.cure:
            text.append(f"\n{finding.cure}", "bold")
        table.add_row(finding.topic, Text(finding.verdict, colour), text)
    print_out(table)


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
    print_out(table)


def print_books(books: "DropBooks") -> None:
    table = make_table(f"drop {books.drop_id}", *books.redis.__struct_fields__)
    for side, counters in (("redis", books.redis), ("sql", books.sql)):
        table.add_row(side, *[f"{number:,}" for number in msgspec.structs.astuple(counters)])
    print_out(table)
    verdict = Text("the books hold", "green") if books.ok else Text("BROKEN", "bold red")
    way = counted(books.lag_entries, "log entry", "log entries")
    verdict.append(f": {books.state}, {way} on the way to SQL", "not b")
    print_out(verdict)


def print_actions(actions: "Sequence[LoggedAction]") -> None:
    table = make_table("when", "who", "what", "to", "outcome", "asked")
    table.columns[0].no_wrap = True
    for action in actions:
        outcome = f"{action.outcome} {action.code}".strip()
        who, what = Text(action.actor), Text(action.action)
        moment = _moment(action.at_ms)
        table.add_row(moment, who, what, action.object_id, outcome, Text(action.asked))
    print_out(table)


def print_operators(operators: "Sequence[OperatorView]") -> None:
    table = make_table("name", "roles", "store", "state", "logs in by", "since")
    for one in operators:
        way = "password and code" if one.has_password and one.has_second_factor else "link"
        roles, since = ", ".join(one.roles), _moment(one.created_ms)
        table.add_row(one.name, roles, one.store_id or "", one.state, way, since)
    print_out(table)


def make_table(*columns: str) -> Table:
    """An empty table in the style of all commands."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone().strftime("%F %T %z")
