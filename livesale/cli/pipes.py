"""What happens when nobody reads what a command prints any more: `livesale drop list | head`."""

import os
import select
import sys
from typing import Any

import typer
from typer.core import TyperGroup

CLOSED_PIPE = 141  # 128 + SIGPIPE: what a shell reports of any program that this happens to


class Commands(TyperGroup):
    """The commands; a closed pipe ends them without a word."""

    def invoke(self, ctx: Any) -> Any:
        try:
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()  # here, where it can still be answered for
        except BrokenPipeError:
            if not _nobody_reads():
                raise  # it was another pipe
            # Whatever is left in the buffer goes nowhere, instead of failing again at the exit.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)
            raise typer.Exit(CLOSED_PIPE) from None


def _nobody_reads() -> bool:
    poll = select.poll()
    poll.register(sys.stdout.fileno(), select.POLLERR)
    return any(event & select.POLLERR for _, event in poll.poll(0))
