"""What the commands of the benchmarks have in common: their flags, and what becomes of a report."""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct
from rich.console import Console, RenderableType

WIDTH = 120  # of what is printed into a file


def make_parser(prog: str, description: str | None) -> argparse.ArgumentParser:
    """The flags that all of them have."""
    parser = argparse.ArgumentParser(prog=prog, description=description)
    parser.add_argument("--quick", action="store_true", help="seconds, not minutes: does it run?")
    parser.add_argument("--rounds", type=int, help="instead of 3")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured there")
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md, and draw")
    parser.add_argument("--strict", action="store_true", help="exit 1 where a target is not met")
    return parser


def show(report: Struct, tables: Iterable[RenderableType], json: Path | None) -> None:
    """Print it, and write all of it into a file where one is named."""
    Console(width=None if sys.stdout.isatty() else WIDTH).print(*tables, sep="\n")
    if json:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
