"""Row 10: entries in the log that no script would have written."""

from typing import Any

from tests.faults.faults import Fault, attempt
from tests.faults.schedule import Kind
from tests.faults.system import PARTITIONS


class Poison(Fault):
    """Somebody writes into the log by hand."""

    kind = Kind("poison entry", 10, ("poison",), 0.5, 0.1, 0.2)

    async def start(self) -> None:
        partition = int(self.strike.chance * 1_000) % PARTITIONS
        fields: dict[Any, Any] = self.pick(
            {"x": "y"},
            {b"v": b"\xff\xfe", b"\x80": b"\x00"},
            {"v": "nine", "k": "pause"},
            {"v": "1", "k": "STEAL", "e": "1", "d": "nosuch", "t": "5", "b": "1|1|0|0|0", "r": ""},
            {
                "v": "1",
                "k": "pause",
                "e": "1",
                "d": "nosuch",
                "t": "5",
                "b": "100|1|1|1|1",
                "r": "",
            },
        )
        key = self.system.keyspace.log(partition)
        entry_id = await attempt(lambda: self.system.redis.xadd(key, fields))
        if entry_id is not None:
            self.world.poisoned.add((partition, str(entry_id)))

    async def heal(self) -> None:
        """Nothing to do: the writer puts it aside."""


FAULTS: list[type[Fault]] = [Poison]
