"""Writes the rest of a log into SQL, before Redis is cleared."""

from prometheus_client import CollectorRegistry

from livesale.database.engine import now_ms, transaction
from livesale.ledger import quarantine
from livesale.ledger import rows as ledger
from livesale.ledger.committer import Committer
from livesale.ledger.log_gap import find_gap
from livesale.ledger.partition_state import Halted, PartitionState
from livesale.ledger.plan import make_plan
from livesale.ledger.quarantine import FITTED_IN, QuarantineState
from livesale.ledger.tail import Item, read_item
from livesale.operations.recovery.refit import Refit
from livesale.resources import Deployment
from livesale.telemetry.workers import WriterMetrics
from stock.log import LogReader

PAGE = 200


async def salvage(deployment: Deployment, partition: int) -> tuple[int, int]:
    """Returns the numbers of entries written unchanged, and of those quarantined and merged.

    The partition is fenced, so the log does not change. `deployment.epochs` has its new epoch.
    Raises Halted if another recovery has taken over, LogTooNew before an entry of a later version,
    because its acknowledged reservations would be lost.
    """
    reader = deployment.redis
    log = LogReader(reader, deployment.keyspace.log(partition))
    committer = Committer(partition, deployment, reader, WriterMetrics(CollectorRegistry()))
    committer.position = await committer.read_position()
    if await find_gap(reader, log, committer.position):
        return 0, await _fit_in(deployment, partition, log)
    taken = 0
    while raw := await log.read(committer.position.offset, PAGE):
        batch = [read_item(*entry) for entry in raw]
        await committer.commit(batch)
        taken += len(batch)
    return taken, 0


async def _fit_in(deployment: Deployment, partition: int, log: LogReader) -> int:
    """One transaction, because half of it would look like a continuous log."""
    at_ms = now_ms()
    async with transaction(deployment.sql) as connection:
        place = await ledger.position(connection, partition, lock=True)
        if place is None or place.epoch != deployment.epochs[partition]:
            raise Halted(PartitionState.FENCED, "another recovery has taken over")
        raw = await log.between(place.offset, "+")
        if not raw:
            return 0
        items: list[Item] = [read_item(*entry) for entry in raw]
        refit = Refit(connection)
        fitted = [new for item in items if item.entry for new in await refit.fit(item.entry)]
        await ledger.write(connection, make_plan(partition, fitted))
        aside = [
            (i.id, f"{FITTED_IN}{': ' if i.reason else ''}{i.reason}", i.payload) for i in items
        ]
        await quarantine.insert(connection, partition, aside, at_ms, QuarantineState.FITTED)
        await ledger.advance(connection, partition, items[-1].id, len(items), at_ms)
    return len(items)
