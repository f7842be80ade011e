"""Decisions of an operator about single entries: quarantine or dismiss one."""

import json

from livesale.database.engine import now_ms, transaction
from livesale.errors import Refused
from livesale.ledger import quarantine
from livesale.ledger import rows as ledger
from livesale.ledger.quarantine import QuarantineState
from livesale.ledger.tail import connect_reader
from livesale.operations.quarantine.places import Place, UnknownEntry
from livesale.resources import Deployment
from stock.entries import why_too_new
from stock.log import LogReader

ENTRY = "ENTRY"


async def put_aside(deployment: Deployment, place: Place, note: str) -> str:
    """Quarantine the entry that stops the writer; returns why this version cannot read it.

    Only that entry, and only if a later version may have written it: the writer handles all others
    itself. A version that knows the entry can replay it. Raises Refused.
    """
    reader = connect_reader(deployment.redis_url, deployment.settings.redis.timeout_ms / 1000)
    try:
        log = LogReader(reader, deployment.keyspace.log(place.partition))
        async with transaction(deployment.sql) as connection:
            position = await ledger.position(connection, place.partition, lock=True)
            if position is None or position.epoch != deployment.epochs.get(place.partition):
                problem = f"partition p{place.partition:02d} has another epoch in SQL"
                raise Refused(ENTRY, problem, "Run it again.")
            following = await log.between(position.offset, "+", 1)
            if not following or following[0][0] != place.log_id:
                waits = f"before {following[0][0]}" if following else "for new entries"
                problem = f"the writer waits {waits}, not before {place.log_id}"
                raise Refused(ENTRY, problem, "`livesale doctor` names the entry.")
            ((log_id, fields),) = following
            why = why_too_new(log_id, fields)
            if not why:
                problem = f"this version can read {log_id}"
                raise Refused(ENTRY, problem, "Leave it to the writer.")
            at_ms = now_ms()
            reason = f"put aside by hand ({note}): {why}" if note else f"put aside by hand: {why}"
            payload = json.dumps(dict(fields))
            await quarantine.insert(connection, place.partition, [(log_id, reason, payload)], at_ms)
            await ledger.advance(connection, place.partition, log_id, 1, at_ms)
        return why
    finally:
        await reader.aclose()


async def dismiss(deployment: Deployment, place: Place, note: str) -> None:
    """Dismiss an entry: it has no effect, and warnings about it stop. Raises UnknownEntry."""
    async with transaction(deployment.sql) as connection:
        done = await quarantine.settle(
            connection, place.partition, place.log_id, QuarantineState.DISMISSED, now_ms(), note
        )
        row = None if done else await quarantine.find(connection, place.partition, place.log_id)
    if not done:
        was = f", it is {row.state.value}" if row else ""
        raise UnknownEntry(f"{place} is not in quarantine{was}")
