"""What a run shows: the table at its end. No I/O."""

from collections import defaultdict
from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tests.faults.faults import Fault
from tests.faults.play import Result


def ending(result: Result, faults: Mapping[str, type[Fault]]) -> RenderableType:
    """The tables at the end of a run."""
    return Group(_faults(result, faults), _figures(result), _findings(result), _verdict(result))


def _faults(result: Result, faults: Mapping[str, type[Fault]]) -> Table:
    table = Table("row", "faults", title="What was broken", title_justify="left", box=None)
    by_row: defaultdict[int, list[str]] = defaultdict(list)
    for name, count in result.faults.items():
        by_row[faults[name].kind.row].append(f"{count} × {name}")
    for row, names in sorted(by_row.items()):
        table.add_row(str(row), ", ".join(names))
    return table


def _figures(result: Result) -> Table:
    table = Table(
        "", "", title="\nWhat was seen", title_justify="left", box=None, show_header=False
    )
    kills = ", ".join(f"{count} {name}" for name, count in result.kills.items())
    answers = ", ".join(f"{count:,} {code}" for code, count in result.answers.items())
    unknown = result.unknown_landed + result.unknown_not
    rows = {
        "took": f"{result.took_s:.0f} s, {result.busy_s:.0f} s of them under faults",
        "faults": f"{sum(result.faults.values())}, {result.missed} missed: down already",
        "SIGKILLs": f"{sum(result.kills.values())} ({kills})",
        "claims": f"{result.claims:,} in {result.drops} drops",
        "lines": f"{result.lines:,}",
        "acknowledged": f"{result.acknowledged:,}",
        "answers": answers,
        "orders": f"{result.orders:,}",
        "left unknown": f"{unknown:,}: {result.unknown_landed:,} are orders, "
        f"{result.unknown_not:,} are not",
        "payments": f"{result.payments:,}, {result.refunds:,} go back",
        "first sale after healing": _times([one.first_sale_s for one in result.recoveries]),
        "SQL whole after healing": _times([one.ready_s for one in result.recoveries]),
    }
    for name, what in rows.items():
        table.add_row(name, what)
    return table


def _findings(result: Result) -> Table:
    table = Table("", "", "", title="\nWhat must hold", title_justify="left", box=None)
    for finding in result.findings:
        mark = Text("holds", "green") if finding.ok else Text("BROKEN", "bold red")
        table.add_row(mark, finding.title, "\n".join(finding.wrong) or finding.seen)
    mark = Text("BROKEN", "bold red") if result.audit else Text("holds", "green")
    table.add_row(mark, "livesale audit", "\n".join(result.audit))
    return table


def _verdict(result: Result) -> Text:
    if result.violations:
        return Text(f"\n{result.violations} violations, seed {result.seed}", "bold red")
    return Text(f"\nNothing lost, nothing twice. Seed {result.seed}.", "bold green")


def _times(seconds: list[float]) -> str:
    if not seconds:
        return ""
    return f"{min(seconds):.2f} to {max(seconds):.2f} s, {len(seconds)} times"
