"""One run as data, and the targets for the largest number of viewers."""

from msgspec import Struct

from benchmarks.machine import Machine
from benchmarks.records import Records
from benchmarks.room import names
from benchmarks.room.scale import RoomScale
from benchmarks.targets import Target, Verdict


class RoomReport(Struct):
    machine: Machine
    scale: RoomScale
    took_s: float
    records: Records
    verdicts: list[Verdict]


def targets_of(scale: RoomScale) -> list[Target]:
    most = scale.viewers[-1]
    with_all = f"with {most:,} viewers"
    return [
        Target(
            f"`stock` from effect to receipt, p99, {with_all}",
            names.at(names.STOCK_P99, most),
            250,
            "≤",
            unit="ms",
        ),
        Target(
            f"`drop.open` from effect to receipt, p99, {with_all}",
            names.at(names.OPEN_P99, most),
            250,
            "≤",
            unit="ms",
        ),
        Target(
            f"memory of a connection, {with_all}",
            names.at(names.MEMORY, most),
            25,
            "≤",
            unit="KiB",
        ),
        Target(f"all back after a storm, {with_all}", names.STORM_LAST, 15, "≤", unit="s"),
        Target("slow viewers closed as `too_slow`", names.SLOW_CLOSED, 100, unit="%"),
    ]
