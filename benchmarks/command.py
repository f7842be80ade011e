"""The shared flags of the benchmark commands, and the output of reports."""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct
from rich.console import Console, RenderableType

WIDTH = 120  # columns, if the output is not a terminal


def make_parser(prog: str, description: str | None) -> argparse.ArgumentParser:
    """Add the shared flags."""
    parser = argparse.ArgumentParser(prog=prog, description=description)
    parser.add_argument(
        "--quick", action="store_true", help="seconds, not minutes: shows only that it runs"
    )
    parser.add_argument("--rounds", type=int, help="instead of the usual number")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to this file")
    parser.add_argument(
        "--write", action="store_true", help="update docs/benchmarks.md and its charts"
    )
    parser.add_argument("--strict", action="store_true", help="exit 1 if a target is not met")
    return parser


def show(report: Struct, tables: Iterable[RenderableType], json: Path | None) -> None:
    """Print it; also write all of it as JSON if a file is named."""
    Console(width=None if sys.stdout.isatty() else WIDTH).print(*tables, sep="\n")
    if json:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
