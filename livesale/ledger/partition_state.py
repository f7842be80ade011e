"""The states of a partition's writer, and the exceptions that stop it."""

from enum import StrEnum

from msgspec import Struct

from livesale.errors import LivesaleError


class PartitionState(StrEnum):
    STARTING = "starting"
    WRITING = "writing"
    STANDBY = "standby"  # another writer writes this partition
    BACKING_OFF = "backing_off"  # SQL or Redis is unavailable
    FENCED = "fenced"  # SQL's epoch differs from this process's, or the partition is closed
    LOG_TOO_NEW = "log_too_new"  # the next entry is of a later version: start a newer writer
    REDIS_OLDER = "redis_older"  # Redis lacks entries that SQL holds: run `livesale recover`
    STOPPED = "stopped"


HEALTHY = {PartitionState.WRITING, PartitionState.STANDBY, PartitionState.STOPPED}

HALTS = {PartitionState.FENCED, PartitionState.LOG_TOO_NEW, PartitionState.REDIS_OLDER}


class Halted(LivesaleError):
    """This process must not write this partition at present; `state` says why."""

    def __init__(self, state: PartitionState, reason: str) -> None:
        super().__init__(reason)
        self.state = state


class Overtaken(LivesaleError):
    """Another writer has advanced the offset."""


class PartitionStatus(Struct, frozen=True):
    partition: int
    state: PartitionState
    lag_entries: int
    last_error: str
