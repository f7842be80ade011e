"""The names of every Redis key, in one place. No I/O.

All keys of a partition share the hash tag `{pNN}`, so that a script and its log are in one slot of
a cluster. No key for stock or money has a TTL.
"""

from zlib import crc32

from msgspec import Struct

MAX_PARTITIONS = 100


class DropKeys(Struct, frozen=True):
    """The keys of one drop, and of its partition."""

    epoch: str
    drop: str
    buyers: str
    reservations: str
    due: str
    log: str
    campaigns: str


class LineKeys(Struct, frozen=True):
    """The keys of a drop's line, in the slot of the drop."""

    epoch: str
    drop: str
    line: str
    places: str
    turns: str
    log: str


class Keyspace:
    """Names keys for a deployment with a fixed number of partitions."""

    def __init__(self, partitions: int, prefix: str = "ls") -> None:
        if not 1 <= partitions <= MAX_PARTITIONS:
            raise ValueError(f"partitions must be 1 to {MAX_PARTITIONS}, not {partitions}")
        self.partitions = partitions
        self._tags = [f"{prefix}:{{p{number:02d}}}" for number in range(partitions)]

    def partition_of(self, drop_id: str) -> int:
        """The partition of a drop: final, because the number of partitions never changes."""
        return crc32(drop_id.encode()) % self.partitions

    def epoch(self, partition: int) -> str:
        return f"{self._tags[partition]}:epoch"

    def due(self, partition: int) -> str:
        return f"{self._tags[partition]}:due"

    def log(self, partition: int) -> str:
        return f"{self._tags[partition]}:log"

    def campaigns(self, partition: int) -> str:
        """The units that buyers have of campaigns with a limit."""
        return f"{self._tags[partition]}:campaigns"

    def barrier(self, partition: int) -> str:
        """The key that is written only for the confirmation of replicas."""
        return f"{self._tags[partition]}:barrier"

    def writer(self, partition: int) -> str:
        """The key that a running writer renews: it has a TTL."""
        return f"{self._tags[partition]}:writer"

    def keeper(self, partition: int) -> str:
        """The key that a keeper renews while it sweeps the partition: it has a TTL."""
        return f"{self._tags[partition]}:keeper"

    @property
    def watched(self) -> str:
        """The key that workers renew while somebody watches the cockpit: it has a TTL."""
        return f"{self._tags[0]}:watched"

    @property
    def glance(self) -> str:
        """What the keeper saw of SQL for the cockpit: it has a TTL."""
        return f"{self._tags[0]}:glance"

    def line_tally(self, drop_id: str) -> str:
        """What the keeper counted of the turns of a line: it has a TTL."""
        return f"{self._tags[self.partition_of(drop_id)]}:tally:{drop_id}"

    def pattern(self, partition: int) -> str:
        """The SCAN pattern of all keys of a partition."""
        return f"{self._tags[partition]}:*"

    def of_drop(self, drop_id: str) -> DropKeys:
        partition = self.partition_of(drop_id)
        tag = self._tags[partition]
        return DropKeys(
            epoch=self.epoch(partition),
            drop=f"{tag}:drop:{drop_id}",
            buyers=f"{tag}:buyers:{drop_id}",
            reservations=f"{tag}:reservations:{drop_id}",
            due=self.due(partition),
            log=self.log(partition),
            campaigns=self.campaigns(partition),
        )

    def of_line(self, drop_id: str) -> LineKeys:
        partition = self.partition_of(drop_id)
        tag = self._tags[partition]
        return LineKeys(
            epoch=self.epoch(partition),
            drop=f"{tag}:drop:{drop_id}",
            line=f"{tag}:line:{drop_id}",
            places=f"{tag}:places:{drop_id}",
            turns=f"{tag}:turns:{drop_id}",
            log=self.log(partition),
        )
