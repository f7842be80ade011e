"""Log entries in quarantine, and their states.

A row leaves `aside` only once: by a conditional UPDATE with a checked row count, in the transaction
of the effect.
"""

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.database.keyset import newer
from livesale.ledger.rows import insert_rows
from livesale.ledger.tables import quarantine

MAX_REASON = 500
MAX_PAYLOAD = 8_000_000  # characters; below the limit of 16 MiB of a packet and of MEDIUMTEXT
MAX_NOTE = 200
FITTED_IN = "sold on a Redis that was older than SQL: merged by recovery"


class QuarantineState(StrEnum):
    ASIDE = "aside"
    REPLAYED = "replayed"  # its effects are in SQL, once
    DISMISSED = "dismissed"  # an operator decided that it has no effect
    FITTED = "fitted"  # recovery has repeated the part that was possible


class Aside(Struct, frozen=True):
    """An entry in quarantine. `payload` is JSON, cut if it was too long."""

    partition: int
    log_id: str
    state: QuarantineState
    reason: str
    note: str
    created_ms: int
    changed_ms: int
    payload: str


async def insert(
    connection: AsyncConnection,
    partition: int,
    entries: Sequence[tuple[str, str, str]],
    at_ms: int,
    state: QuarantineState = QuarantineState.ASIDE,
) -> None:
    """Quarantine entries, each with id, reason and payload."""
    rows = [
        {
            "partition": partition,
            "log_id": log_id,
            "reason": reason[:MAX_REASON],
            "payload": payload[:MAX_PAYLOAD],
            "created_ms": at_ms,
            "state": state.value,
        }
        for log_id, reason, payload in entries
    ]
    await insert_rows(connection, quarantine, rows)


async def find(connection: AsyncConnection, partition: int, log_id: str) -> Aside | None:
    """One entry."""
    row = quarantine.c
    query = _QUERY.where(row.partition == partition, row.log_id == log_id)
    found = (await connection.execute(query)).first()
    return _aside(found) if found else None


async def page(
    connection: AsyncConnection,
    after: tuple[int, str] = (-1, ""),
    *,
    count: int,
    states: Sequence[QuarantineState] = (QuarantineState.ASIDE,),
) -> list[Aside]:
    """Entries ordered by (partition, log_id as text), after the given one."""
    row = quarantine.c
    behind = newer(row.partition, row.log_id, after)
    query = _QUERY.where(behind, row.state.in_([state.value for state in states]))
    query = query.order_by(row.partition, row.log_id).limit(count)
    return [_aside(found) for found in await connection.execute(query)]


async def settle(
    connection: AsyncConnection,
    partition: int,
    log_id: str,
    state: QuarantineState,
    at_ms: int,
    note: str = "",
) -> bool:
    """Move an entry out of `aside`; returns whether it was there."""
    row = quarantine.c
    done = await connection.execute(
        update(quarantine)
        .where(
            row.partition == partition,
            row.log_id == log_id,
            row.state == QuarantineState.ASIDE.value,
        )
        .values(state=state.value, changed_ms=at_ms, note=note[:MAX_NOTE])
    )
    return done.rowcount == 1


def _aside(found: Sequence[object]) -> Aside:
    partition, log_id, state, *rest = found
    return Aside(partition, log_id, QuarantineState(state), *rest)  # type: ignore[arg-type]


_QUERY = select(
    quarantine.c.partition,
    quarantine.c.log_id,
    quarantine.c.state,
    quarantine.c.reason,
    quarantine.c.note,
    quarantine.c.created_ms,
    quarantine.c.changed_ms,
    quarantine.c.payload,
)
