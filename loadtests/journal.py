"""Notes on disk: a file for each process, a line for each note, written at once.

A killed process loses only the line that it was writing.
"""

import os
from collections import Counter
from pathlib import Path
from typing import Protocol

import msgspec

from loadtests.history import History, Note, Tally

_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Note)


class Journal(Protocol):
    def note(self, note: Note) -> None: ...

    def count(self, line: str) -> None:
        """One more answer of this kind."""
        ...


class FileJournal:
    """Appends to a file of its own in `folder`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{os.getpid()}.jsonl"
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._counts: Counter[str] = Counter()

    def note(self, note: Note) -> None:
        os.write(self._file, _encode(note) + b"\n")

    def count(self, line: str) -> None:
        self._counts[line] += 1

    def flush(self) -> None:
        """Write the counts since the last flush."""
        if self._counts:
            counts, self._counts = dict(self._counts), Counter()
            self.note(Tally(counts))


def read_journals(folder: Path) -> History:
    """All notes of the folder. Skips a torn last line."""
    history = History()
    for path in sorted(folder.glob("*.jsonl")):
        lines = path.read_bytes().split(b"\n")
        for line in lines[:-1]:
            history.note(_decoder.decode(line))
    return history
