"""Row 9: a second session that holds locks. Down and silent are in processes.py."""

from contextlib import AsyncExitStack

from sqlalchemy import text

from tests.faults.faults import Fault, attempt
from tests.faults.schedule import Kind


class LockWait(Fault):
    """A second session holds the row or the table that the writer needs."""

    kind = Kind("lock wait", 9, ("mariadb",), 1.0, 0.5, 6.0)
    held: AsyncExitStack

    async def start(self) -> None:
        self.held = AsyncExitStack()
        await attempt(self._lock)

    async def _lock(self) -> None:
        lock = self.pick(
            "SELECT * FROM log_offsets FOR UPDATE",
            "SELECT * FROM books FOR UPDATE",
            "LOCK TABLES orders WRITE",
        )
        connection = await self.held.enter_async_context(self.system.sql.connect())
        await connection.execute(text("SET SESSION lock_wait_timeout = 3"))
        await connection.execute(text("SET SESSION innodb_lock_wait_timeout = 3"))
        await connection.execute(text(lock).execution_options(is_a_fault=True))
        self.held.push_async_callback(connection.invalidate)  # whatever it holds ends with it

    async def heal(self) -> None:
        await attempt(self.held.aclose)


FAULTS: list[type[Fault]] = [LockWait]
