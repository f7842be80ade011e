"""One whole run as data, for JSON, tables, pictures and the page."""

from msgspec import Struct

from benchmarks.machine import Machine
from benchmarks.records import Records
from benchmarks.scale import Scale
from benchmarks.targets import Verdict


class Report(Struct):
    machine: Machine
    scale: Scale
    took_s: float
    records: Records
    verdicts: list[Verdict]

    @property
    def rounds(self) -> int:
        return self.scale.rounds
