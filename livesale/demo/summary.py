"""The summary of the demo: what was sold, how fast, and the checks. No I/O."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from livesale.demo.verdict import Figures, LiveFigures
from livesale.ledger.check import Check
from livesale.operations.audit import report
from livesale.printing.wording import counted
from loadtests.checks import Finding, shorten


def summary(figures: Figures) -> RenderableType:
    """The figures as a table."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="grey62", no_wrap=True, min_width=9)
    grid.add_column()
    for name, text in _rows(figures):
        grid.add_row(name, text)
    return Group(Text(), grid)


def _rows(f: Figures) -> list[tuple[str, Text]]:
    again = f" ({counted(f.sold_again, 'unit')} went back on sale and found other buyers)"
    unknown = (
        f"{counted(f.unknown_outcomes, 'outcome')} unknown to the buyer, "
        if f.unknown_outcomes
        else ""
    )
    return [
        *(_room_rows(f) if isinstance(f, LiveFigures) else []),
        (
            "sold",
            Text.assemble(
                (f"{f.sold:,} of {counted(f.stock, 'unit')}", "bold green"),
                f" to {f.buyers_served:,} of {counted(f.people, 'buyer')}",
                *_pace(f),
            ),
        ),
        (
            "holds",
            Text.assemble(
                (f"{f.holds:,}", "bold"),
                " given, ",
                (f"{f.expired_holds:,}", "bold"),
                f" never paid and expired{again if f.sold_again else ''}",
            ),
        ),
        (
            "requests",
            Text.assemble(
                (f"{f.requests:,}", "bold"),
                f" answered, {f.requests_per_s:,.0f}/s on average, ",
                (f"{f.requests_per_s_peak:,.0f}/s", "bold"),
                " at the peak",
            ),
        ),
        (
            "latency",
            Text("–")
            if not f.requests
            else Text.assemble(
                "p50 ",
                (f"{f.p50_ms:.1f}", "bold"),
                f"   p90 {f.p90_ms:.1f}   p99 ",
                (f"{f.p99_ms:.1f}", "bold"),
                f"   max {f.max_ms:.1f} ms  (waiting for a connection included)",
            ),
        ),
        (
            "replays",
            Text.assemble(
                (f"{f.replays:,}", "bold"),
                f" answered with the first reservation, {unknown}none sold twice",
            ),
        ),
        (
            "payments",
            Text.assemble(
                (f"{f.bank.get('sold', 0) + f.bank.get('late_sold', 0):,}", "bold"),
                " taken by the demo's bank, ",
                f"{f.bank.get('replayed', 0):,} of them announced twice, ",
                f"{f.bank.get('refund_due', 0):,} too late and to refund",
            ),
        ),
        (
            "orders",
            Text.assemble(
                (f"{f.orders:,}", "bold"),
                f" in SQL, never more than {counted(f.lag_peak, 'log entry', 'log entries')}"
                " behind Redis",
            ),
        ),
    ]


def _room_rows(f: LiveFigures) -> list[tuple[str, Text]]:
    watched = f"{counted(f.viewers, 'viewer')}, at most {f.peak:,} at once; "
    told = f"{counted(f.events_told, 'event')}; changes of the drop arrived after "
    late = f"p50 {f.told_p50_ms:.0f}  p99 {f.told_p99_ms:.0f} ms, this process included"
    back = f"all viewers had resumed without a gap after {f.storm_ms:,.0f} ms"
    return [
        ("watched", Text(f"{watched}{counted(f.likes, 'like')}")),
        ("told", Text(told + late)),
        ("lucky bag", Text(f"{counted(f.prizes_claimed, 'prize')} claimed")),
        ("storm", Text(back)),
    ]


def _pace(f: Figures) -> list[str | tuple[str, str]]:
    """How fast it sold, or how much is left."""
    parts: list[str | tuple[str, str]] = []
    if f.sold:
        parts += [", first to last in ", (f"{f.first_to_last_ms:,} ms", "bold")]
    if f.sold_out_after_ms is not None:
        parts.append(f", nothing left {f.sold_out_after_ms:,} ms after the opening")
    elif left := f.stock - f.sold:
        asked = "nobody asked for it" if left == 1 else "nobody asked for them"
        parts.append(f"; {counted(left, 'unit')} left, {asked}")
    return parts


def table_of_checks(findings: Sequence[Finding], audit: Sequence[Check]) -> RenderableType:
    """The demo's checks, then the audit of the running system."""
    return report.table_of(as_checks(findings), audit)


def as_checks(findings: Sequence[Finding]) -> list[Check]:
    """The demo's findings in the form of audit checks."""
    return [
        Check("", finding.title, finding.ok, "; ".join(shorten(finding.wrong)) or finding.seen)
        for finding in findings
    ]


def closing(ok: bool, took_s: float) -> Text:
    """The last line."""
    how = f"Every promise was checked on the running system; the whole demo took {took_s:.0f} s."
    return report.closing(ok, how)
