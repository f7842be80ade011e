"""Prints what is drawn for people: on a terminal as wide as it is, else without trailing blanks."""

import sys
from io import StringIO
from typing import Any

from rich.console import Console, RenderableType

from livesale.printing.encoding import to_json

PIPE_WIDTH = 160  # in a pipe nobody sets a width: lines may be as long as they need to be


def print_out(*what: RenderableType) -> None:
    """To standard output, at once. Raises BrokenPipeError when nobody reads any more."""
    if sys.stdout.isatty():
        Console(highlight=False).print(*what, sep="\n")
    else:
        sys.stdout.write(plain(*what))
    sys.stdout.flush()


def plain(*what: RenderableType, width: int = PIPE_WIDTH) -> str:
    """The same as text: no colours, and no line ends in a blank."""
    out = _Paper()
    Console(file=out, highlight=False, width=width, color_system=None).print(*what, sep="\n")
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def print_json(value: Any) -> None:
    """Any msgspec type, or a list of them, as one line of JSON on standard output."""
    sys.stdout.write(to_json(value, sys.stdout) + "\n")
    sys.stdout.flush()


class _Paper(StringIO):
    """Text with the encoding of standard output: rich draws its lines in ASCII if it must."""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return sys.stdout.encoding or "utf-8"
