"""The open-loop generator: each request has a due time, and its latency counts from then.

A closed loop waits for an answer before it asks again, so it slows down with the server and hides
every stall. Here the rate is fixed (or Poisson), and waiting in line counts as latency.
`python -m loadtests.openloop URL --rate 5000 --drop ID --tokens FILE`; `--sweep` makes one run for
each rate, and `--svg` draws latency over offered load.
"""

import argparse
import asyncio
import math
import sys
from collections.abc import Iterator, Sequence
from io import TextIOWrapper
from pathlib import Path

import msgspec
from msgspec.structs import replace

from loadtests.open_loop.logins import log_in
from loadtests.open_loop.processes import Plan, run
from loadtests.open_loop.result import Result
from loadtests.open_loop.tables import table_of
from loadtests.target import FLAG, TargetAway, TargetRefused, parse_target
from loadtests.tokens import NoTokens, read_tokens

POISSON_MORE = 1.1  # a Poisson run can have a few more requests than rate times seconds


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 when it ran, 2 when it could not."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal may have any encoding
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        plan = _plan(options)
        results = list(sweep(plan, options.sweep or [options.rate]))
    except (TargetRefused, TargetAway, NoTokens) as refused:
        print(f"openloop: {refused}", file=sys.stderr)
        return 2
    print(table_of(results))
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(results)) + b"\n")
    if options.svg:
        from loadtests.open_loop.curve import draw

        options.svg.write_text(draw(results), encoding="utf-8")
    return 0


def sweep(plan: Plan, rates: Sequence[float]) -> Iterator[Result]:
    """One run for each rate, each with new buyers while tokens last."""
    first = 0
    for rate in rates:
        count = buyers_for(rate, plan.seconds)
        tokens = plan.tokens[first : first + count]
        if len(tokens) < count:
            tokens = [*tokens, *plan.tokens[: count - len(tokens)]]
            count -= len(plan.tokens)
        first += count
        yield run(replace(plan, rate=rate, tokens=tokens))


def buyers_for(rate: float, seconds: float) -> int:
    """How many buyers a run needs so that no buyer repeats."""
    return math.ceil(rate * seconds * POISSON_MORE)


def _plan(options: argparse.Namespace) -> Plan:
    target = parse_target(options.url, options.owned)
    rates = options.sweep or [options.rate]
    tokens: Sequence[str] = ()
    if options.tokens:
        tokens = [line.split()[-1] for line in read_tokens(options.tokens)]
    elif options.drop:
        count = sum(buyers_for(rate, options.seconds) for rate in rates)
        print(f"openloop: logging in {count:,} buyers …", file=sys.stderr)
        tokens = asyncio.run(log_in(target, count))
    return Plan(
        target,
        rates[0],
        options.seconds,
        poisson=options.poisson,
        seed=options.seed,
        connections=options.connections,
        processes=options.processes,
        timeout_s=options.timeout,
        path=options.path,
        drop_id=options.drop or "",
        tokens=tokens,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.openloop", description=(__doc__ or "").split("\n")[0]
    )
    rate = parser.add_mutually_exclusive_group(required=True)
    rate.add_argument("--rate", type=_positive, help="requests a second")
    rate.add_argument("--sweep", type=_rates, help="several, one run each: 1000,2000,4000")
    parser.add_argument("url", metavar="URL", help="such as http://127.0.0.1:8080")
    parser.add_argument("--poisson", action="store_true", help="random arrivals, not even ones")
    parser.add_argument("--seed", type=int, default=1, help="of the random arrivals")
    parser.add_argument("--seconds", type=_positive, default=10.0, help="of each run")
    parser.add_argument("--connections", type=_count, default=256, help="of all processes")
    parser.add_argument("--processes", type=_count, default=1)
    parser.add_argument("--timeout", type=_positive, default=10.0, help="seconds from the due time")
    parser.add_argument("--drop", help="reserve one unit with each request, each for another buyer")
    parser.add_argument(
        "--tokens", type=Path, help="of buyers, one on each line; default: the dev login"
    )
    parser.add_argument("--path", default="/", help="what to GET without --drop")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--svg", type=Path, help="draw latency over offered load into this file")
    parser.add_argument(
        FLAG, dest="owned", action="append", default=[], metavar="HOST", help="may be loaded"
    )
    return parser


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < 1e7:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 60_000:
        raise argparse.ArgumentTypeError(f"{text} is not 1 to 60000")
    return number


def _rates(text: str) -> list[float]:
    return [_positive(part) for part in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
