"""Turns faults into one paragraph on stderr and an exit code.

0    done, and every check passed
1    a check failed (audit, doctor, demo, load, recover, bag, drop books)
2    refused: a wrong flag or setting, or a start that would break a promise
3    failed: a store cannot be reached, a use case was refused, the disk is full
70   a fault of this program: the traceback is on stderr
130  interrupted by Ctrl-C, or stopped at once by a second signal
141  the reader of the output has closed it

1 only means a failed check: Python's own 1 for an uncaught exception never reaches the caller.
"""

import errno
import os
import sys
import traceback
from typing import Any, cast

BROKEN = 1
REFUSED = 2
FAILED = 3
CRASHED = 70  # EX_SOFTWARE of sysexits.h
INTERRUPTED = 130

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def explain(fault: BaseException) -> int:
    """Print the cause for a person; returns the exit code."""
    try:
        return _explain(fault)
    except BaseException:  # the explanation failed as well: show both
        traceback.print_exc()
        return CRASHED


def _explain(fault: BaseException) -> int:
    from livesale.errors import LivesaleError, Refused
    from livesale.settings.checks import hide_password

    while isinstance(fault, BaseExceptionGroup) and len(fault.exceptions) == 1:
        fault = fault.exceptions[0]
    if isinstance(fault, KeyboardInterrupt) or _is_abort(fault):
        return INTERRUPTED
    if isinstance(fault, Refused):
        say(f"{fault.setting}: {fault.problem}.", fault.cure)
        return REFUSED
    if isinstance(fault, LivesaleError):
        say(f"{fault}", "")
        return FAILED
    if _is_usage(fault):
        from typer.rich_utils import rich_format_error

        rich_format_error(cast(Any, fault))
        return REFUSED
    if _is_store_fault(fault):
        reason = getattr(fault, "orig", None) or fault
        say(f"a store failed: {hide_password(str(reason))}", "`livesale doctor` says more.")
        return FAILED
    if isinstance(fault, OSError) and fault.errno in _NO_ROOM:
        where = f" to {fault.filename}" if fault.filename else ""
        say(f"cannot write{where}: {fault.strerror}.", "Make room, and try again.")
        _drop_output()
        return FAILED
    text = "".join(traceback.format_exception(fault))
    print(hide_password(text), file=sys.stderr, end="")
    say("this is a bug in livesale.", "Keep the traceback above and report it.")
    return CRASHED


def _is_abort(fault: BaseException) -> bool:
    from typer import Abort

    return isinstance(fault, Abort)


def _is_usage(fault: BaseException) -> bool:
    """typer's fault of flags, with its own message and exit code."""
    return hasattr(fault, "format_message") and hasattr(fault, "exit_code")


def _is_store_fault(fault: BaseException) -> bool:
    from redis.exceptions import RedisError
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.exc import TimeoutError as PoolTimeout

    from stock.errors import StockError

    kinds = (StockError, RedisError, DBAPIError, PoolTimeout, ConnectionError, TimeoutError)
    return isinstance(fault, kinds)


def _drop_output() -> None:
    """Drop the rest of the buffer: it would fail again at the exit, and change the exit code."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def say(problem: str, cure: str = "") -> None:
    """One paragraph on stderr."""
    from rich.console import Console
    from rich.text import Text

    line = Text.assemble(("livesale: ", "bold red"), problem)
    if cure:
        line.append(f" {cure}", "bold")
    Console(stderr=True, highlight=False, soft_wrap=True).print(line)
