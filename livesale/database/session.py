"""A transaction that turns every fault of the driver into StoreUnavailable."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from typing import Protocol

from sqlalchemy.exc import (
    DBAPIError,
    InterfaceError,
    InternalError,
    OperationalError,
)
from sqlalchemy.exc import (
    TimeoutError as PoolTimeoutError,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from livesale.database.engine import strangers_of, transaction
from livesale.database.errors import StoreUnavailable
from livesale.tasks.turns import WORKS_FOR, Crowded


class Recorder(Protocol):
    """The record of an action: `livesale.action_log.record`."""

    async def note_effect(self, connection: AsyncConnection) -> None:
        """Note an effect in its transaction. Raises if it must not be committed."""
        ...

    def note_committed(self) -> None: ...


# The record for the effects of this task, if there is one.
RECORD: ContextVar[Recorder | None] = ContextVar("RECORD", default=None)


@asynccontextmanager
async def session(engine: AsyncEngine, *, write: bool = False) -> AsyncIterator[AsyncConnection]:
    """A `transaction` that raises StoreUnavailable for all driver faults.

    It notes operators' writes in their record, in the same transaction. A request without a token
    waits for its turn first: see `livesale.tasks.turns`. Raises StoreUnavailable also if too many
    of them wait; a constraint that refuses a row is still SQLAlchemy's IntegrityError.
    """
    client = WORKS_FOR.get()
    record = RECORD.get() if write else None
    try:
        async with AsyncExitStack() as stack:
            if client.stranger:
                await stack.enter_async_context(strangers_of(engine).passing(client.key))
            connection = await stack.enter_async_context(transaction(engine, write=write))
            yield connection
            if record is not None:
                await record.note_effect(connection)
        if record is not None:
            record.note_committed()
    except (OperationalError, InterfaceError, InternalError, PoolTimeoutError) as error:
        raise StoreUnavailable(type(error).__name__) from error
    except (OSError, TimeoutError, Crowded) as error:
        raise StoreUnavailable(type(error).__name__) from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise StoreUnavailable(type(error).__name__) from error
        raise
