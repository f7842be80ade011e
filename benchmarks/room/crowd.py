"""All viewers: controls several viewer processes on the core of the load."""

import multiprocessing
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection as Pipe
from urllib.parse import urlsplit

from benchmarks.room.tally import Tally
from benchmarks.room.viewers import Begin, Grow, Stall, Storm, Tell, Up, watch

PROCESSES = 2
SPARE_FILES = 500  # files of a process besides its viewers' sockets


class FilesRefused(Exception):
    """The system allows too few open files: one line that says what to do."""


def allow_files(viewers: int) -> None:
    """Allow so many sockets in this process and its children. Raises FilesRefused."""
    wanted = viewers + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
    except (ValueError, OSError):
        raise FilesRefused(
            f"{viewers:,} viewers need {wanted:,} open files, but the limit is {hard:,}: "
            f"run `ulimit -n {wanted}` as root, or use fewer --viewers."
        ) from None


class Crowd:
    """Controls `size` viewers, in nearly equal shares."""

    def __init__(self, pipes: list[Pipe]) -> None:
        self.size = 0
        self._pipes = pipes

    def grow(self, size: int, slow: int = 0) -> list[float]:
        """Grow to so many viewers, one in `slow` of them slow; returns the ms until each was up."""
        count = len(self._pipes)
        for number, pipe in enumerate(self._pipes):
            pipe.send(Grow((size + number) // count, slow))
        self.size = size
        return self._until_up()

    def storm(self) -> list[float]:
        """All lose their connection and reconnect at once; returns the ms until each was up."""
        for pipe in self._pipes:
            pipe.send(Storm())
        return self._until_up()

    def stall(self, stalled: bool) -> None:
        """The slow viewers stop reading, or read on."""
        for pipe in self._pipes:
            pipe.send(Stall(stalled))

    def begin(self) -> None:
        """Reset the tallies."""
        for pipe in self._pipes:
            pipe.send(Begin())

    def tell(self) -> Tally:
        """The tally since `begin`."""
        whole = Tally()
        for pipe in self._pipes:
            pipe.send(Tell())
            found = pipe.recv()
            assert isinstance(found, Tally)  # noqa: S101  that is its answer
            whole.add(found)
        return whole

    def _until_up(self) -> list[float]:
        waited_ms: list[float] = []
        for pipe in self._pipes:
            found = pipe.recv()
            assert isinstance(found, Up)  # noqa: S101  that is its answer
            waited_ms += found.waited_ms
        return waited_ms


@contextmanager
def gathered(url: str, room_id: str) -> Iterator[Crowd]:
    """An empty crowd for one worker; ends with the block."""
    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port or 0)
    context = multiprocessing.get_context("spawn")
    pipes, children = [], []
    try:
        for _ in range(PROCESSES):
            ours, theirs = context.Pipe()
            child = context.Process(target=watch, args=(address, room_id, theirs), daemon=True)
            child.start()
            theirs.close()
            pipes.append(ours)
            children.append(child)
        yield Crowd(pipes)
    finally:
        for pipe in pipes:
            pipe.close()
        for child in children:
            child.join(timeout=1)
            child.kill()
