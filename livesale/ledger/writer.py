"""The writer: moves the log of its partitions into SQL. Several writers share the partitions."""

import asyncio
import contextlib
import time
from functools import partial

import structlog
from prometheus_client import CollectorRegistry
from redis.exceptions import RedisError

from livesale.ledger import sign_of_life
from livesale.ledger.leases import LONGEST_S, Leases, pins_of
from livesale.ledger.partition_state import HALTS, HEALTHY, PartitionState, PartitionStatus
from livesale.ledger.partition_writer import PartitionWriter, note_state
from livesale.resources import Deployment
from livesale.tasks import Tasks
from livesale.tasks.share import Share
from livesale.telemetry.workers import WriterMetrics

HALTED_S = 60.0  # so long after a partition halted here, others come before this writer

_log = structlog.get_logger(__name__)


class Writer:
    """One task per partition that it holds, each with its own blocking connection to Redis.

    The SQL engine of `deployment` should allow as many connections as there are partitions; with
    fewer they wait for each other.
    """

    def __init__(self, deployment: Deployment, registry: CollectorRegistry | None = None) -> None:
        self._metrics = WriterMetrics(registry or CollectorRegistry())
        self._deployment = deployment
        self._redis = deployment.redis
        self._keyspace = deployment.keyspace
        self._shown: list[str] = []
        self._partitions: dict[int, PartitionWriter] = {}
        self._share = Share()
        self._stopped = False
        self._halted_s: dict[int, float] = {}  # when a partition was last seen halted here
        self._leases = Leases(
            deployment.sql,
            "writer",
            self._keyspace.partitions,
            self._share,
            pins=pins_of(deployment.settings.writer.partitions, self._keyspace.partitions),
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Write until `stop`. Retries a closed partition until it opens."""
        _log.info("the writer starts", partitions=self._keyspace.partitions)
        for partition in range(self._keyspace.partitions):
            note_state(self._metrics, partition, PartitionState.STANDBY)
        async with Tasks(stop) as tasks:
            tasks.keep("writer: leases", partial(self._leases.run, stop), longest_s=LONGEST_S)
            tasks.repeat("writer: sign of life", self._show_life)
            await self._share.each(stop, self._write)
        self._stopped = True
        await self._leases.leave()
        await self._take_life_back()
        _log.info("the writer has stopped")

    async def _write(self, partition: int, gone: asyncio.Event) -> None:
        """Write one partition while it is held here."""
        writer = self._partitions[partition] = PartitionWriter(
            partition, self._deployment, self._metrics
        )
        try:
            async with Tasks(gone) as tasks:
                tasks.keep("writer", partial(writer.run, gone), about=f"p{partition:02d}")
        finally:
            del self._partitions[partition]
            writer.leave()

    async def _show_life(self) -> float:
        """Renew the sign of life; seconds until the next time. Raises RedisError or OSError."""
        self._note_halted()
        self._shown = [self._keyspace.writer(partition) for partition in self._written()]
        if self._shown:
            await sign_of_life.show(self._redis, self._shown)
        return sign_of_life.EVERY_S

    async def _take_life_back(self) -> None:
        with contextlib.suppress(RedisError, OSError):  # it vanishes by itself
            await sign_of_life.take_back(self._redis, self._shown)

    def _note_halted(self) -> None:
        """Let others take what cannot be written here; a writer of a later version may be there."""
        now_s = time.monotonic()
        for partition, each in self._partitions.items():
            if each.state in HALTS:
                self._halted_s[partition] = now_s
        self._halted_s = {
            partition: at_s
            for partition, at_s in self._halted_s.items()
            if now_s - at_s < HALTED_S and not self._writes(partition)
        }
        self._leases.cannot = frozenset(self._halted_s)

    def _writes(self, partition: int) -> bool:
        each = self._partitions.get(partition)
        return each is not None and each.state is PartitionState.WRITING

    def _written(self) -> list[int]:
        """The partitions that this writer writes: those of a standby are another one's."""
        lately_s = time.monotonic() - sign_of_life.TURNS_S
        return [
            partition for partition, each in self._partitions.items() if each.is_writing(lately_s)
        ]

    @property
    def healthy(self) -> bool:
        """Whether this writer writes what it holds, and others the rest."""
        return all(status.state in HEALTHY for status in self.status())

    def status(self) -> list[PartitionStatus]:
        """Each partition's state, lag and last fault. STANDBY: another writer may have it."""
        none = PartitionState.STANDBY if self._leases.known else PartitionState.STARTING
        if self._stopped:
            none = PartitionState.STOPPED
        return [
            self._partitions[partition].status
            if partition in self._partitions
            else PartitionStatus(partition, none, 0, "")
            for partition in range(self._keyspace.partitions)
        ]
