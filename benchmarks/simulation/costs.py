"""What each step costs, in seconds: measured here, except for the network between machines."""

from msgspec import Struct


class Line(Struct, frozen=True):
    """A cost that grows with the attempts of a call: `call` + `each` × attempts."""

    call: float
    each: float

    def of(self, attempts: int, calls: int = 1) -> float:
        return self.call * calls + self.each * attempts


class Costs(Struct, frozen=True):
    """Times in seconds. A script of buckets is taken to cost as much as `adjust_drop`, and a look
    at one as much as `snapshot`."""

    engine: Line  # CPU of the worker's side of a call to the engine
    script: Line  # CPU of the primary for a call of `reserve`, its command and its AOF included
    refusal: Line  # the same, if nothing is left
    fsync: Line  # the wait for the disk, once for all calls of a turn of the primary
    confirm: Line  # the wait for a replica, and its part of the way
    confirm_cpu: float  # CPU of the primary for the barrier and WAIT
    move: float  # CPU of the primary for `give`, `take` and what belongs to them
    look: float  # CPU of the primary for a look at a bucket
    request: float  # CPU of an API worker for a request that is held, without the engine's part
    shortcut: float  # CPU of an API worker for a request that it answers "sold out" by itself
    row: float  # a writer's time for a row; a reservation has two
    loopback: float  # from a process to another one on this machine
    network: float  # the same between machines: an assumption, nothing here can measure it
    bytes_in: float  # that a primary receives for an attempt
    bytes_out: float  # that it sends
