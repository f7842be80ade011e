"""The states of a partition's writer, and what ends its work."""

from enum import StrEnum

from msgspec import Struct

from livesale.errors import LivesaleError


class PartitionState(StrEnum):
    STARTING = "starting"
    WRITING = "writing"
    STANDBY = "standby"  # another writer moves this partition
    BACKING_OFF = "backing_off"  # SQL or Redis is away
    FENCED = "fenced"  # SQL has another epoch than this process, or it is closed
    LOG_TOO_NEW = "log_too_new"  # the next entry is of a later version: start a newer writer
    REDIS_OLDER = "redis_older"  # Redis lacks what SQL holds: `livesale recover`
    STOPPED = "stopped"


HEALTHY = {PartitionState.WRITING, PartitionState.STANDBY, PartitionState.STOPPED}


class Halted(LivesaleError):
    """This partition must not be written by this process as things are; `state` says why."""

    def __init__(self, state: PartitionState, reason: str) -> None:
        super().__init__(reason)
        self.state = state


class Overtaken(LivesaleError):
    """Another writer has moved the offset."""


class PartitionStatus(Struct, frozen=True):
    partition: int
    state: PartitionState
    lag_entries: int
    last_error: str
