"""Results as people read them on a terminal."""

from collections.abc import Sequence

from loadtests.open_loop.result import PERCENTILES, Result


def table_of(results: Sequence[Result]) -> str:
    """A line for each rate, then the answers and the missing ones."""
    names = [f"{percent:g}" for percent in PERCENTILES]
    columns = ["offered/s", "goodput/s", *(f"p{name}" for name in names[:-1]), "longest"]
    lines = ["".join(f"{column:>11}" for column in columns) + "   (ms, from when it was due)"]
    for result in results:
        figures = [f"{result.rate:,.0f}", f"{result.goodput_per_s:,.0f}"]
        figures += [_milliseconds(result.latency_ms[name]) for name in names]
        lines.append("".join(f"{figure:>11}" for figure in figures))
    for result in results:
        lines += ["", *_answers(result)]
    return "\n".join(lines)


def _answers(result: Result) -> list[str]:
    lines = [
        f"{result.rate:,.0f}/s, {result.arrivals} arrivals, {result.seconds:g} s, "
        f"{result.connections} connections: {result.due:,} due, {result.answered:,} answered"
    ]
    for name, found in result.answers.items():
        lines.append(
            f"  {name:<28}{found.count:>10,}   p50 {found.p50_ms:.1f}   p99 {found.p99_ms:.1f}   "
            f"longest {found.max_ms:.1f} ms"
        )
    lines += [f"  never, {why:<21}{count:>10,}" for why, count in result.never.items()]
    if result.generator_was_late:
        lines.append(
            f"  1 % of the requests left {result.late_ms['99']:.1f} ms late or later: in line for "
            "a connection, or the generator was too slow (--connections, --processes)"
        )
    return lines


def _milliseconds(figure: float | None) -> str:
    return "never" if figure is None else f"{figure:,.1f}"
