"""Whether a worker is about to stop."""

from msgspec import Struct


class Draining(Struct):
    """Set `draining` when this worker is about to stop: readyz says so, connections close."""

    draining: bool = False
