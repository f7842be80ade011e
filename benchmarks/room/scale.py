"""The scale of a run: full, or just enough to see that it runs."""

from msgspec import Struct


class RoomScale(Struct, frozen=True):
    """The scale of one round."""

    rounds: int
    viewers: tuple[int, ...]  # sizes of the crowd, one after the other, in one room
    quiet_s: float  # stock events only, nobody buys through the worker
    selling_s: float  # stock events and openings; buyers reserve at `rate`
    rate: float  # reservations a second
    storm_s: float
    slow: int  # number of viewers while a tenth is slow
    slow_s: float  # the longest time in which they read nothing
    behind_ms: int  # the service closes slow viewers after this: the default, or less


FULL = RoomScale(
    rounds=3,
    viewers=(1_000, 5_000, 10_000),
    quiet_s=4.0,
    selling_s=8.0,
    rate=500.0,
    storm_s=12.0,
    slow=1_000,
    slow_s=60.0,
    behind_ms=10_000,
)
QUICK = RoomScale(
    rounds=1,
    viewers=(20, 60),
    quiet_s=1.0,
    selling_s=3.0,
    rate=50.0,
    storm_s=2.0,
    slow=20,
    slow_s=60.0,
    behind_ms=1_000,
)
