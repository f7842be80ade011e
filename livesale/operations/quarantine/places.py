"""The name of a log entry on the command line: `<partition>:<id>`, as in `0:1790-3`."""

import re

from msgspec import Struct

from livesale.errors import LivesaleError
from stock.ids import id_key

_FORM = re.compile(r"p?(\d{1,2}):(\d{1,20}-\d{1,20})").fullmatch


class UnknownEntry(LivesaleError):
    """The entry is not in quarantine."""


class Place(Struct, frozen=True, order=True):
    """The place of an entry. Places sort in the order of the log."""

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
    """Raises ValueError if the text does not name an entry."""
    match = _FORM(text)
    if not match:
        raise ValueError(f"{text!r} is not an entry: write PARTITION:ID, such as 0:1790000-0")
    return place_of(int(match[1]), match[2])
