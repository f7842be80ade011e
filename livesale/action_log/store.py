"""What operators did, and hosts in their rooms. Queries only; each takes a connection.

A row is written before anything is done (begun). The first SQL transaction with an effect marks it
(applied). The end is written once: done, refused, or failed, which may have had an effect. Nothing
else changes a row, and only age removes one.
"""

from enum import StrEnum

from msgspec import Struct, structs
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.action_log.tables import operator_actions
from stock.ids import least_id


class Outcome(StrEnum):
    BEGUN = "begun"  # under way, or cut: what came of it is not known
    APPLIED = "applied"  # SQL has an effect of it; under way, or cut
    DONE = "done"
    REFUSED = "refused"  # nothing was changed
    FAILED = "failed"  # a store or the service failed: something may have been changed


class Change(Struct, frozen=True):
    """The object of an action as JSON, before and after it."""

    before: str | None = None
    after: str | None = None


class LoggedAction(Struct, frozen=True):
    """`actor` is operator|NAME, buyer|ID for those who run a room, or cli|USER@MACHINE. `asked` is
    JSON, cut after 4,000 characters. `outcome`: `begun` and `applied` (SQL has an effect) are under
    way, or were cut; `done`; `refused`, which changed nothing; `failed`, which may have changed
    something. `before` and `after` are the object as JSON, where the action says what it changed,
    cut after 8,000 characters. `code` is the problem's, or the status of the answer."""

    action_id: str
    at_ms: int
    actor: str
    action: str
    object_id: str
    asked: str
    request_id: str
    outcome: Outcome = Outcome.BEGUN
    code: str = ""
    ended_ms: int | None = None
    before: str | None = None
    after: str | None = None


_COLUMNS = {"before": "state_before", "after": "state_after"}  # `before` is a word of SQL
_ACTION = select(
    *[operator_actions.c[_COLUMNS.get(name, name)] for name in LoggedAction.__struct_fields__]
)


async def begin(connection: AsyncConnection, action: LoggedAction) -> None:
    row = structs.asdict(action)
    await connection.execute(
        insert(operator_actions), {_COLUMNS.get(name, name): row[name] for name in row}
    )


async def note_applied(connection: AsyncConnection, action_id: str, change: Change) -> bool:
    """Note an effect of an action in the transaction of the effect; say whether it is recorded."""
    statement = (
        update(operator_actions)
        .where(
            operator_actions.c.action_id == action_id,
            operator_actions.c.outcome.in_((Outcome.BEGUN, Outcome.APPLIED)),
        )
        .values(outcome=Outcome.APPLIED, state_before=change.before, state_after=change.after)
    )
    return (await connection.execute(statement)).rowcount == 1


async def conclude(
    connection: AsyncConnection,
    action_id: str,
    outcome: Outcome,
    code: str,
    ended_ms: int,
    change: Change = Change(),  # noqa: B008  frozen
) -> None:
    """Note how it ended; only the first end counts."""
    await connection.execute(
        update(operator_actions)
        .where(
            operator_actions.c.action_id == action_id,
            operator_actions.c.outcome.in_((Outcome.BEGUN, Outcome.APPLIED)),
        )
        .values(
            outcome=outcome,
            code=code[:40],
            ended_ms=ended_ms,
            state_before=change.before,
            state_after=change.after,
        )
    )


class Sought(Struct, frozen=True):
    """Which actions are sought; empty means any. Times are ms since 1970 UTC."""

    actor: str = ""
    object_id: str = ""
    action: str = ""
    request_id: str = ""
    outcome: Outcome | None = None
    since_ms: int = 0
    until_ms: int = 0


async def list_actions(
    connection: AsyncConnection, sought: Sought, *, before: str = "", limit: int
) -> list[LoggedAction]:
    """The newest first, those with a smaller id than `before`."""
    table = operator_actions.c
    query = _ACTION.order_by(table.action_id.desc()).limit(limit)
    if before:
        query = query.where(table.action_id < before)
    for name in ("actor", "object_id", "action", "request_id", "outcome"):
        if wanted := getattr(sought, name):
            query = query.where(table[name] == wanted)
    if sought.since_ms:  # an id begins with the time
        query = query.where(table.action_id >= least_id(sought.since_ms))
    if sought.until_ms:
        query = query.where(table.action_id < least_id(sought.until_ms))
    return [LoggedAction(*row) for row in await connection.execute(query)]


async def forget(connection: AsyncConnection, before_id: str, limit: int) -> int:
    """Remove up to `limit` of those that are older than an id; how many there were."""
    old = (
        select(operator_actions.c.action_id)
        .where(operator_actions.c.action_id < before_id)
        .order_by(operator_actions.c.action_id)
        .limit(limit)
    )
    ids = list((await connection.scalars(old)).all())
    if ids:
        gone = delete(operator_actions).where(operator_actions.c.action_id.in_(ids))
        await connection.execute(gone)
    return len(ids)
