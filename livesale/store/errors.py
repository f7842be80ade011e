"""Faults of the SQL store.

StoreUnavailable    SQL is away, slow, locked or full; the driver's own fault is the cause
"""

from livesale.errors import LivesaleError


class StoreUnavailable(LivesaleError):
    """SQL cannot answer now. A write may or may not stand."""
