"""The partitions that this process works on now, and a set of tasks for each of them.

Writers and keepers share the partitions (livesale.ledger.leases), so a process gets some and gives
some back while it runs. A partition is given back only when all work on it has ended here.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable

from livesale.tasks.supervised import Tasks, errand

# Works on a partition until the event is set: then it no longer belongs to this process.
Work = Callable[[int, asyncio.Event], Awaitable[None]]


class Share:
    """`held` changes by `hold` only. Without leases it has all partitions from the start."""

    def __init__(self, held: Iterable[int] = ()) -> None:
        self.held = frozenset(held)
        self._busy: Counter[int] = Counter()  # how many works still run on a partition
        self._changed: set[asyncio.Event] = set()

    def hold(self, held: Iterable[int]) -> None:
        """From now on it is these: what is new begins, what is gone ends in its own time."""
        found = frozenset(held)
        if found != self.held:
            self.held = found
            self._wake()

    def ended(self, partitions: Iterable[int]) -> frozenset[int]:
        """Those of these partitions on which nothing works here any more."""
        return frozenset(
            partition
            for partition in partitions
            if partition not in self.held and not self._busy[partition]
        )

    async def each(self, stop: asyncio.Event, work: Work) -> None:
        """Run `work` for each partition while it is held. Returns after `stop`, when all ended."""
        changed = asyncio.Event()
        self._changed.add(changed)
        gone: dict[int, asyncio.Event] = {}
        try:
            async with Tasks() as tasks:
                tasks.errand("wait for the stop", _after(stop, changed))
                while not stop.is_set():
                    for partition in self.held - gone.keys():
                        gone[partition] = over = asyncio.Event()
                        self._busy[partition] += 1
                        errand("partition", self._one(partition, over, work, gone), about=partition)
                    for partition in gone.keys() - self.held:
                        gone[partition].set()
                    await changed.wait()
                    changed.clear()
            for over in gone.values():
                over.set()
            while gone:
                await changed.wait()
                changed.clear()
        finally:
            for over in gone.values():
                over.set()
            self._changed.discard(changed)

    async def _one(
        self, partition: int, over: asyncio.Event, work: Work, gone: dict[int, asyncio.Event]
    ) -> None:
        try:
            await work(partition, over)
        finally:
            self._busy[partition] -= 1
            del gone[partition]
            self._wake()

    def _wake(self) -> None:
        for changed in self._changed:
            changed.set()


async def _after(stop: asyncio.Event, changed: asyncio.Event) -> None:
    await stop.wait()
    changed.set()
