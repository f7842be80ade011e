"""The writer: moves the log of every partition into SQL."""

import asyncio
from functools import partial

import structlog
from prometheus_client import CollectorRegistry

from livesale.ledger.partition_state import HEALTHY, PartitionStatus
from livesale.ledger.partition_writer import PartitionWriter
from livesale.resources import Deployment
from livesale.tasks import Tasks
from livesale.telemetry.workers import WriterMetrics

_log = structlog.get_logger(__name__)


class Writer:
    """One task per partition, each with its own blocking connection to Redis.

    The SQL engine of `deployment` should allow as many connections as there are partitions; with
    fewer they wait for each other.
    """

    def __init__(self, deployment: Deployment, registry: CollectorRegistry | None = None) -> None:
        metrics = WriterMetrics(registry or CollectorRegistry())
        self._partitions = [
            PartitionWriter(partition, deployment, metrics)
            for partition in range(deployment.keyspace.partitions)
        ]

    async def run(self, stop: asyncio.Event) -> None:
        """Write until `stop`. Retries a closed partition until it opens."""
        _log.info("the writer starts", partitions=len(self._partitions))
        async with Tasks(stop) as tasks:
            for partition in self._partitions:
                about = f"p{partition.partition:02d}"
                tasks.keep("writer", partial(partition.run, stop), about=about)
        _log.info("the writer has stopped")

    @property
    def healthy(self) -> bool:
        """Whether this writer writes every partition, or stands by for another writer."""
        return all(partition.state in HEALTHY for partition in self._partitions)

    def status(self) -> list[PartitionStatus]:
        """Each partition's state, lag and last fault."""
        return [partition.status for partition in self._partitions]
