"""Turns faults into one paragraph on stderr and an exit code.

0    done, and what was checked holds
1    a check found something broken (audit, doctor, demo)
2    refused: a wrong flag or setting, or a start that would break a promise
3    it did not work: a store cannot be reached, or a use case was refused
130  interrupted by Ctrl-C
141  nobody reads the output any more
"""

from typing import cast

BROKEN = 1
REFUSED = 2
FAILED = 3
INTERRUPTED = 130


def explain(fault: Exception) -> int | None:
    """Print what a person needs to know; the exit code, or None for a fault of this program."""
    from livesale.errors import LivesaleError, Refused
    from livesale.refusals import hide_password

    while isinstance(fault, ExceptionGroup) and len(fault.exceptions) == 1:
        fault = cast(Exception, fault.exceptions[0])
    if isinstance(fault, Refused):
        say(f"{fault.setting}: {fault.problem}.", fault.cure)
        return REFUSED
    if isinstance(fault, LivesaleError):
        say(f"{fault}", "")
        return FAILED
    if _is_store_fault(fault):
        reason = getattr(fault, "orig", None) or fault
        say(f"a store failed: {hide_password(str(reason))}", "`livesale doctor` says more.")
        return FAILED
    return None


def _is_store_fault(fault: Exception) -> bool:
    from redis.exceptions import RedisError
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.exc import TimeoutError as PoolTimeout

    from stock.errors import StockError

    kinds = (StockError, RedisError, DBAPIError, PoolTimeout, ConnectionError, TimeoutError)
    return isinstance(fault, kinds)


def say(problem: str, cure: str = "") -> None:
    """One paragraph on stderr."""
    from rich.console import Console
    from rich.text import Text

    line = Text.assemble(("livesale: ", "bold red"), problem)
    if cure:
        line.append(f" {cure}", "bold")
    Console(stderr=True, highlight=False, soft_wrap=True).print(line)
