"""The record of what operators do, and hosts in their rooms: each effect has a row.

A row is committed before the work begins; if that fails, the work does not begin. The first
transaction with an effect in SQL also marks the row, and writes what changed. So a process that
dies leaves a row `begun` or `applied`, and never an effect without a row.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec
import structlog
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from livesale.action_log import store
from livesale.action_log.store import Change, LoggedAction, Outcome
from livesale.database.engine import now_ms
from livesale.database.errors import StoreUnavailable
from livesale.database.session import RECORD, session
from stock.ids import made_ms, new_id

MAX_ASKED = 4_000  # characters that are kept of what was asked for
MAX_STATE = 8_000  # of what an object was, and of what it is
MAX_NAME = 80

log = structlog.get_logger(__name__)


class Deed(Struct, frozen=True):
    """Who does what, with which object. `asked` are ids and values, as they were given."""

    actor: str
    action: str
    object_id: str
    asked: Mapping[str, Any]
    request_id: str = ""


class Record:
    """One deed, recorded from `begin` on."""

    def __init__(self, sql: AsyncEngine, deed: Deed) -> None:
        self._sql = sql
        self._deed = deed
        self._id = ""
        self._applied = False
        self._change = Change()
        self._sent = Change()  # as the transaction has it that is under way
        self._written = Change()  # as SQL has it

    def note(self, before: Any, after: Any) -> None:
        """Note what the deed changes. The first `before` counts, and the last `after`."""
        first = self._change.before
        self._change = Change(_as_json(before) if first is None else first, _as_json(after))

    async def begin(self) -> None:
        """Write the row, once. Raises StoreUnavailable: then nothing may be done."""
        if self._id:
            return
        deed, action_id = self._deed, new_id()
        action = LoggedAction(
            action_id=action_id,
            at_ms=made_ms(action_id),  # a list is cut by time at its ids
            actor=deed.actor[:MAX_NAME],
            action=deed.action[:MAX_NAME],
            object_id=deed.object_id[:MAX_NAME],
            asked=msgspec.json.encode(deed.asked).decode()[:MAX_ASKED],
            request_id=deed.request_id,
        )
        with _unrecorded():
            async with session(self._sql, write=True) as connection:
                await store.begin(connection, action)
        self._id = action_id

    async def note_effect(self, connection: AsyncConnection) -> None:
        """Note in the transaction of an effect that there is one.

        Raises RuntimeError where the row is missing: the transaction must not be committed.
        """
        if not self._id:
            raise RuntimeError(f"{self._deed.action} has an effect and no record")
        if self._applied and self._change == self._written:
            return
        if not await store.note_applied(connection, self._id, self._change):
            raise RuntimeError(f"the record of {self._deed.action} is gone")
        self._sent = self._change

    def note_committed(self) -> None:
        """The transaction of an effect was committed."""
        self._applied = bool(self._id)
        self._written = self._sent

    async def conclude(self, outcome: Outcome, code: str) -> None:
        """Write how it ended. Where SQL is away by then, the row stays as it is."""
        if not self._id:
            return
        change = self._change if outcome is Outcome.DONE else self._written
        try:
            with _unrecorded():
                async with session(self._sql, write=True) as connection:
                    await store.conclude(connection, self._id, outcome, code, now_ms(), change)
        except StoreUnavailable as fault:
            log.warning(
                "the end of an action could not be recorded", id=self._id, reason=str(fault)
            )

    @contextmanager
    def current(self) -> Iterator[None]:
        """While the block runs, what is written to SQL is an effect of this deed."""
        token = RECORD.set(self)
        try:
            yield
        finally:
            RECORD.reset(token)


async def begin_record() -> None:
    """Begin the record of the request that is being answered, if it is one to be recorded: those
    who run a room are known only when the room is. Raises StoreUnavailable."""
    record = RECORD.get()
    if isinstance(record, Record):
        await record.begin()


def note_change(before: Any, after: Any) -> None:
    """Note what the action that is under way changes: the object before and after, in the form in
    which the API shows it, without secrets. None: it was not there, or is gone.

    Call it inside the transaction of the change: the record has it in the same transaction. For a
    change in Redis, call it after the change: the end of the record has it.
    """
    record = RECORD.get()
    if isinstance(record, Record):
        record.note(before, after)


def _as_json(value: Any) -> str | None:
    """At most MAX_STATE characters of JSON; a longer one is cut."""
    return None if value is None else msgspec.json.encode(value).decode()[:MAX_STATE]


@contextmanager
def _unrecorded() -> Iterator[None]:
    token = RECORD.set(None)
    try:
        yield
    finally:
        RECORD.reset(token)
