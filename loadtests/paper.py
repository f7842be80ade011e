"""A result in plain lines: figures, then checks, then a one-line verdict. No I/O."""

from collections.abc import Iterator

from loadtests.after import Result
from loadtests.figures import Figures, Latency

Row = tuple[str, str]


def rows_of(result: Result) -> list[Row]:
    """The figures, each with its name."""
    figures = result.figures
    return [
        (
            "asked",
            f"{figures.asked:,} requests, {figures.claims:,} of them claims of buyers; "
            f"{figures.repeated:,} claims were repeated by their key",
        ),
        ("acknowledged", f"{figures.acknowledged:,} reservations, {figures.paid:,} paid"),
        ("refused", _counted(figures.refused) or "nothing"),
        ("unknown", f"{figures.unknown:,} claims with an unknown outcome"),
        *[
            ("latency" if not number else "", _latency(each))
            for number, each in enumerate(figures.latencies[:4])
        ],
        (
            "5xx",
            f"{figures.faults:,}, with missing answers: {figures.faults_share:.3%}, "
            f"{result.budget:.3%} allowed",
        ),
        *_limits(figures),
        *_broke(result),
        ("report", result.report),
    ]


def lines_of(result: Result) -> list[str]:
    """The whole result as plain text."""
    lines = [f"{result.scenario} on {result.target}", ""]
    lines += [f"  {name:13} {text}" for name, text in rows_of(result)]
    lines.append("")
    for finding in result.checks:
        lines.append(f"  {'ok    ' if finding.ok else 'BROKEN'}  {finding.title} ({finding.seen})")
        lines += [f"          {wrong}" for wrong in finding.wrong]
    lines += ["", closing(result)]
    return lines


def closing(result: Result) -> str:
    checked = [finding.ok for finding in result.checks]
    checked += [bool(check["ok"]) for check in result.audit]
    if all(checked):
        return f"All {len(checked)} checks hold."
    return f"{checked.count(False)} of {len(checked)} checks FAILED."


def _latency(each: Latency) -> str:
    return (
        f"p50 {each.p50_ms:,.0f}  p95 {each.p95_ms:,.0f}  p99 {each.p99_ms:,.0f}  "
        f"max {each.max_ms:,.0f} ms  {each.per_s:,.0f}/s  {each.name} ({each.requests:,})"
    )


def _limits(figures: Figures) -> Iterator[Row]:
    if figures.limited_by_address:
        yield (
            "429",
            f"{figures.limited_by_address:,} came from the limit per ADDRESS: all this load is one "
            "address. You tested that limit, not the service: see docs/loadtesting.md.",
        )
    if figures.limited_by_buyer:
        yield "429", f"{figures.limited_by_buyer:,} came from the limit per buyer: bots, mostly"


def _broke(result: Result) -> Iterator[Row]:
    if result.broke is not None:
        broke = result.broke
        yield "broke", f"at {broke.users:,} users and {broke.per_s:,.0f} requests/s: {broke.why}"
    elif result.scenario == "ramp_to_break":
        yield "broke", "nothing failed with so many users: use more"


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} × {name}" for name, count in counts.items())
