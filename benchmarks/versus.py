"""`make bench-versus ARGS=REVISION`: the hot path of that revision and of this tree, in one run.

Both trees serve at the same time, each with its own stores. They are measured in turns, so that
changes in the machine's speed affect both. A figure is the median of the ratios of neighbouring
turns, new to old, with the range of the middle half: above 1 is faster, or more CPU.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from msgspec import Struct
from rich.console import Console

from benchmarks.command import WIDTH
from benchmarks.tables import Sheet, drawn
from tests.previous import HOUSE, export

CELLS = (
    ("lane", "sell", "reserve, fast lane"),
    ("lane", "refuse", "sold out, fast lane"),
    ("plain", "sell", "reserve, without the lane"),
    ("plain", "refuse", "sold out, without the lane"),
)
SECONDS, ROUNDS, BUYERS = 3, 16, 200_000
AGENT = """
import sys, tempfile
from pathlib import Path
from benchmarks.machine import LOAD_CORE, cpu_s, pinned
from benchmarks.shop import open_shop
with tempfile.TemporaryDirectory() as folder, open_shop(Path(folder), int(sys.argv[1])) as shop:
    print("ready", flush=True)
    for line in sys.stdin:
        worker, verb, seconds = line.split()
        of = getattr(shop, worker)
        before = cpu_s(of.pid)
        with pinned(LOAD_CORE):
            shot = getattr(of, verb)(int(seconds))
        print(shot.per_s, 1e6 * (cpu_s(of.pid) - before) / shot.requests, flush=True)
"""


class Taken(Struct):
    """The result of one turn: requests a second, and µs of CPU for each."""

    per_s: float
    cpu_us: float


class Tree:
    """A process that serves one tree and measures it on request."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._read()

    def take(self, worker: str, verb: str, seconds: int) -> Taken:
        assert self._process.stdin is not None  # noqa: S101  a pipe
        self._process.stdin.write(f"{worker} {verb} {seconds}\n")
        self._process.stdin.flush()
        return Taken(*map(float, self._read().split()))

    def _read(self) -> str:
        assert self._process.stdout is not None  # noqa: S101  a pipe
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a tree ended: {self._process.wait()}")
        return line


@contextmanager
def serving(folder: Path, buyers: int) -> Iterator[Tree]:
    """Start the tree of a folder, with the packages of this environment."""
    command = [sys.executable, "-c", AGENT, str(buyers)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(  # noqa: S603
        command, cwd=folder, env=_environment(folder), stdin=pipe, stdout=pipe, text=True
    )
    try:
        yield Tree(process)
    finally:
        assert process.stdin is not None  # noqa: S101  a pipe
        process.stdin.close()
        process.wait()


def _environment(folder: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(folder)}


Pairs = dict[str, list[tuple[Taken, Taken]]]  # old and new, by cell


def compare(old: Tree, new: Tree, seconds: int, rounds: int) -> Pairs:
    """The results of both trees, by cell; the order changes each round."""
    found: Pairs = {name: [] for _, _, name in CELLS}
    for number in range(rounds):
        for worker, verb, name in CELLS:
            first, second = (old, new) if number % 2 == 0 else (new, old)
            a, b = first.take(worker, verb, seconds), second.take(worker, verb, seconds)
            found[name].append((a, b) if first is old else (b, a))
        print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    return found


def sheet(found: Pairs) -> Sheet:
    rows: list[Sequence[str]] = []
    for name, pairs in found.items():
        speed = [new.per_s / old.per_s for old, new in pairs]
        cpu = [new.cpu_us / old.cpu_us for old, new in pairs]
        old_us = statistics.median(old.cpu_us for old, _ in pairs)
        new_us = statistics.median(new.cpu_us for _, new in pairs)
        rows.append([name, f"{old_us:.1f} µs", f"{new_us:.1f} µs", _shown(cpu), _shown(speed)])
    columns = ("", "old", "new", "CPU, new/old", "speed, new/old")
    return Sheet("The hot path, old and new", columns, rows)


def _shown(ratios: Sequence[float]) -> str:
    low, middle, high = statistics.quantiles(ratios, n=4)
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make bench-versus", description=__doc__)
    parser.add_argument("revision", help="of this repository: the old tree")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"instead of {ROUNDS}")
    parser.add_argument("--seconds", type=int, default=SECONDS, help=f"not {SECONDS} a turn")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="livesale-") as folder, ExitStack() as stack:
        old_folder = export(options.revision, Path(folder, "tree"))
        old = stack.enter_context(serving(old_folder, BUYERS))
        new = stack.enter_context(serving(HOUSE, BUYERS))
        for tree in (old, new):
            for worker, verb, _ in CELLS:
                tree.take(worker, verb, 1)  # warm
        found = compare(old, new, options.seconds, options.rounds)
    Console(width=None if sys.stdout.isatty() else WIDTH).print(drawn(sheet(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
