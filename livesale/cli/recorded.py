"""Records changes from the command line, like actions of operators over HTTP."""

import getpass
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine


@asynccontextmanager
async def recorded(
    sql: "AsyncEngine", command: str, object_id: str, asked: Mapping[str, Any]
) -> AsyncIterator[None]:
    """Record the block's action, under the name of this machine's user.

    Raises StoreUnavailable if it cannot be recorded: then the block does not run.
    """
    from livesale.action_log.record import Deed, Record
    from livesale.action_log.store import Outcome
    from livesale.errors import LivesaleError
    from livesale.validation.refusals import SalesFault

    actor = f"cli|{_user()}@{socket.gethostname()}"
    record = Record(sql, Deed(actor, f"livesale {command}", object_id, asked))
    await record.begin()
    with record.current():
        try:
            yield
        except LivesaleError as fault:
            refused = isinstance(fault, SalesFault)
            code = getattr(fault, "code", type(fault).__name__)
            await record.conclude(Outcome.REFUSED if refused else Outcome.FAILED, code[:40])
            raise
        except Exception as fault:
            await record.conclude(Outcome.FAILED, type(fault).__name__[:40])
            raise
        await record.conclude(Outcome.DONE, "")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        return str(os.getuid())
