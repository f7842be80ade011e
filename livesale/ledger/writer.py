"""The writer: moves the log of every partition into SQL."""

import asyncio
import contextlib
import time
from functools import partial

import structlog
from prometheus_client import CollectorRegistry
from redis.exceptions import RedisError

from livesale.ledger import sign_of_life
from livesale.ledger.partition_state import HEALTHY, PartitionState, PartitionStatus
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
        self._redis = deployment.redis
        self._keyspace = deployment.keyspace
        self._shown: list[str] = []
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
            tasks.repeat("writer: sign of life", self._show_life)
        await self._take_life_back()
        _log.info("the writer has stopped")

    async def _show_life(self) -> float:
        """Renew the sign of life; seconds until the next time. Raises RedisError or OSError."""
        self._shown = [self._keyspace.writer(partition) for partition in self._written()]
        if self._shown:
            await sign_of_life.show(self._redis, self._shown)
        return sign_of_life.EVERY_S

    async def _take_life_back(self) -> None:
        with contextlib.suppress(RedisError, OSError):  # it vanishes by itself
            await sign_of_life.take_back(self._redis, self._shown)

    def _written(self) -> list[int]:
        """The partitions that this writer writes: those of a standby are another one's."""
        lately_s = time.monotonic() - sign_of_life.TURNS_S
        return [
            each.partition
            for each in self._partitions
            if each.state is PartitionState.WRITING and each.turned_s > lately_s
        ]

    @property
    def healthy(self) -> bool:
        """Whether this writer writes every partition, or stands by for another writer."""
        return all(partition.state in HEALTHY for partition in self._partitions)

    def status(self) -> list[PartitionStatus]:
        """Each partition's state, lag and last fault."""
        return [partition.status for partition in self._partitions]
