"""The output of `livesale quarantine`."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from livesale.cli.tables import make_table
from livesale.printing.output import print_out
from livesale.printing.wording import counted

if TYPE_CHECKING:
    from livesale.ledger.quarantine import Aside
    from livesale.operations.quarantine import Outcome

SHOWN = 2_000  # characters shown of an unreadable entry

_COLOUR = {"replayed": "green", "fits": "green", "already": "yellow", "refused": "bold red"}


def print_entries(found: "Sequence[Aside]") -> None:
    table = make_table("entry", "state", "kind", "drop", "reason")
    for each in found:
        fields = _fields(each)
        words = [Text(ascii(fields.get(name, ""))[1:-1]) for name in ("k", "d")]
        table.add_row(f"{each.partition}:{each.log_id}", each.state, *words, Text(each.reason))
    print_out(table, Text(counted(len(found), "entry", "entries"), "bold"))


def print_entry(found: "Aside") -> None:
    table = make_table("field", "value")
    for name, value in _fields(found).items():
        table.add_row(Text(ascii(name)[1:-1]), Text(ascii(value)[1:-1]))
    lines = [
        f"{found.partition}:{found.log_id} is {found.state}",
        f"put into quarantine at {found.created_ms} ms: {found.reason}",
    ]
    if found.changed_ms:
        lines.append(f"{found.state} at {found.changed_ms} ms: {found.note}".rstrip(": "))
    print_out(Text("\n".join(lines)), table)


def print_outcomes(outcomes: "Sequence[Outcome]", *, dry_run: bool) -> None:
    table = make_table("entry", "", "kind", "drop", "reason")
    for each in outcomes:
        mark = Text(each.result, _COLOUR[each.result])
        table.add_row(each.entry, mark, Text(each.kind), Text(each.drop_id), Text(each.reason))
    counts = Counter(str(each.result) for each in outcomes)
    total = (
        ", ".join(f"{count:,} {result}" for result, count in counts.items())
        or "quarantine is empty"
    )
    after = "Nothing was changed." if dry_run else "`livesale audit` checks everything."
    print_out(table, Text(f"{total}. {after}", "bold"))


def _fields(found: "Aside") -> dict[str, str]:
    try:
        return {str(name): str(value) for name, value in json.loads(found.payload).items()}
    except (ValueError, AttributeError):
        return {"payload": found.payload[:SHOWN]}
