"""A transaction whose driver faults are one fault of ours."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

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

from livesale.store.database import transaction
from livesale.store.errors import StoreUnavailable


@asynccontextmanager
async def session(engine: AsyncEngine, *, write: bool = False) -> AsyncIterator[AsyncConnection]:
    """A `transaction` whose driver faults are all one fault.

    Raises StoreUnavailable; a constraint that refuses a row is still SQLAlchemy's IntegrityError.
    """
    try:
        async with transaction(engine, write=write) as connection:
            yield connection
    except (OperationalError, InterfaceError, InternalError, PoolTimeoutError) as error:
        raise StoreUnavailable(type(error).__name__) from error
    except (OSError, TimeoutError) as error:
        raise StoreUnavailable(type(error).__name__) from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise StoreUnavailable(type(error).__name__) from error
        raise
