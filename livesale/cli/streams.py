"""The standard streams of a command: closed streams, encodings, and closed pipes."""

import os
import select
import sys
from io import TextIOWrapper
from typing import Any

import typer
from typer.core import TyperGroup

from livesale.printing.encoding import REPLACE

STDOUT = 1
CLOSED_PIPE = 141  # 128 + SIGPIPE, as shells report it


def open_streams() -> None:
    """Make printing safe. Call first: a file opened later could take the number of a closed stream.

    A stream that the caller closed (`>&-`) leads to /dev/null. A character that the encoding of a
    stream lacks is replaced.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=REPLACE)


class Commands(TyperGroup):
    """The commands. If the reader closes the output (`livesale drop list | head`), they end without
    a message."""

    def invoke(self, ctx: Any) -> Any:
        try:
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()  # here, so that we can handle the fault
        except BrokenPipeError as fault:
            if not _nobody_reads():
                # Another pipe. Without an errno: typer takes EPIPE for a closed standard output.
                raise ConnectionError(str(fault)) from fault
            # Drop the rest of the buffer, so that it does not fail again at the exit.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, STDOUT)
            os.close(nowhere)
            raise typer.Exit(CLOSED_PIPE) from None


def _nobody_reads() -> bool:
    poll = select.poll()
    poll.register(STDOUT, select.POLLERR)
    return any(event & select.POLLERR for _, event in poll.poll(0))
