"""The end of the demo on paper: what was sold, how fast, and whether the books hold. No I/O."""

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from livesale.audit.check import Check
from livesale.demo.checks import Finding, shorten
from livesale.demo.verdict import Figures


def summary(figures: Figures) -> RenderableType:
    """The figures, in the words of somebody who sells things."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="grey62", no_wrap=True, min_width=9)
    grid.add_column()
    for name, text in _rows(figures):
        grid.add_row(name, text)
    return Group(Text(), grid)


def _rows(f: Figures) -> list[tuple[str, Text]]:
    gone = f", nothing left {f.sold_out_after_ms:,} ms after the opening"
    again = f" ({f.sold_again:,} units went back on sale and were bought by others)"
    surely = (
        f"{f.unknown_outcomes:,} outcomes unknown to their buyers, " if f.unknown_outcomes else ""
    )
    return [
        (
            "sold",
            Text.assemble(
                (f"{f.sold:,} of {f.stock:,} units", "bold green"),
                f" to {f.buyers_served:,} of {f.buyers:,} buyers, first to last in ",
                (f"{f.first_to_last_ms:,} ms", "bold"),
                gone if f.sold_out_after_ms is not None else "",
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
            Text.assemble(
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
                f" answered with the first reservation, {surely}none sold twice",
            ),
        ),
        (
            "payments",
            Text.assemble(
                (f"{f.bank.get('sold', 0) + f.bank.get('late_sold', 0):,}", "bold"),
                " taken by the demo's bank, ",
                f"{f.bank.get('replayed', 0):,} of them announced twice, ",
                f"{f.bank.get('refund_due', 0):,} came too late and are to be refunded",
            ),
        ),
        (
            "orders",
            Text.assemble(
                (f"{f.orders:,}", "bold"),
                f" in SQL, never more than {f.lag_peak:,} log entries behind Redis",
            ),
        ),
    ]


def table_of_checks(findings: Sequence[Finding], audit: Sequence[Check]) -> RenderableType:
    """What the demo saw, then what the audit saw on the running system."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", no_wrap=True, min_width=3)
    table.add_column("promise", overflow="fold")
    table.add_column("", no_wrap=True)
    table.add_column("what was seen", overflow="fold", style="grey62")
    for finding in findings:
        seen = "; ".join(shorten(finding.wrong)) or finding.seen
        table.add_row("", finding.title, _mark(finding.ok), seen)
    table.add_section()
    for check in audit:
        table.add_row(check.invariant, check.title, _mark(check.ok), check.detail)
    return table


def closing(ok: bool, took_s: float) -> Text:
    """The last line."""
    if ok:
        return Text.assemble(
            ("● The books hold. ", "bold green"),
            f"Every promise was checked on the running system; the whole demo took {took_s:.0f} s.",
        )
    return Text("● The books do NOT hold: see above.", "bold red")


def _mark(ok: bool) -> Text:
    return Text("✓", "bold green") if ok else Text("BROKEN", "bold red")
