"""The names of every Redis key, in one place. No I/O.

All keys of a partition share the hash tag `{pNN}`, so that a script and the log it appends to live
in one slot, on a cluster too. No key that stands for stock or money carries a TTL.
"""

from zlib import crc32

from msgspec import Struct

MAX_PARTITIONS = 100


class DropKeys(Struct, frozen=True):
    """The keys of one drop, with those of the partition that owns it."""

    epoch: str
    drop: str
    buyers: str
    reservations: str
    due: str
    log: str


class Keyspace:
    """Names keys for a deployment with a fixed number of partitions."""

    def __init__(self, partitions: int, prefix: str = "ls") -> None:
        if not 1 <= partitions <= MAX_PARTITIONS:
            raise ValueError(f"partitions must be 1 to {MAX_PARTITIONS}, not {partitions}")
        self.partitions = partitions
        self._tags = [f"{prefix}:{{p{number:02d}}}" for number in range(partitions)]

    def partition_of(self, drop_id: str) -> int:
        """The partition that owns a drop: for ever, since their number never changes."""
        return crc32(drop_id.encode()) % self.partitions

    def epoch(self, partition: int) -> str:
        return f"{self._tags[partition]}:epoch"

    def due(self, partition: int) -> str:
        return f"{self._tags[partition]}:due"

    def log(self, partition: int) -> str:
        return f"{self._tags[partition]}:log"

    def barrier(self, partition: int) -> str:
        """What is written for the replicas alone, to be confirmed by them."""
        return f"{self._tags[partition]}:barrier"

    def pattern(self, partition: int) -> str:
        """What SCAN matches every key of a partition by."""
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
        )
