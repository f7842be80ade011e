"""How an entry of the log is named on the command line: `<partition>:<id>`, as in `0:1790-3`."""

import re

from msgspec import Struct

from livesale.errors import LivesaleError
from stock.ids import id_key

_FORM = re.compile(r"p?(\d{1,2}):(\d{1,20}-\d{1,20})").fullmatch


class UnknownEntry(LivesaleError):
    """An entry that is not where it should be."""


class Place(Struct, frozen=True, order=True):
    """Where an entry is. Places order as the log does."""

    partition: int
    ms: int
    seq: int

    @property
    def log_id(self) -> str:
        return f"{self.ms}-{self.seq}"

    def __str__(self) -> str:
        return f"{self.partition}:{self.log_id}"


def place_of(partition: int, log_id: str) -> Place:
    return Place(partition, *id_key(log_id))


def parse_place(text: str) -> Place:
    """Raises ValueError for what names no entry."""
    match = _FORM(text)
    if not match:
        raise ValueError(f"{text!r} is not an entry: write PARTITION:ID, such as 0:1790000-0")
    return place_of(int(match[1]), match[2])
