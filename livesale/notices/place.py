"""Up to where a buyer has been told, as a text that any worker can read. No I/O.

Each source of notices has positions that only rise, the same on every worker: for a partition, the
ids of its log. A place is one position for each source. It is opaque for clients.
"""

from collections.abc import Mapping

from msgspec import Struct

Position = tuple[int, int]

NEW = "new"  # the place of a client that has none yet
START: Position = (0, 0)
# Two positions of a source are in the order of their numbers.
PLACE_PATTERN = r"^(new|[0-9a-f]{8}(~[a-z0-9]{1,12}:[0-9]{1,16}-[0-9]{1,20}){0,120})?$"


class Place(Struct, frozen=True):
    """`epoch` names the logs that the positions are of: with others, they mean nothing."""

    epoch: str
    positions: Mapping[str, Position]


def write_place(place: Place) -> str:
    parts = [f"{name}:{first}-{second}" for name, (first, second) in place.positions.items()]
    return "~".join([place.epoch, *parts])


def read_place(text: str) -> Place | None:
    """The place in a text of `PLACE_PATTERN`; None for a new client, also if it is empty."""
    if text in ("", NEW):
        return None
    epoch, *parts = text.split("~")
    positions = {}
    for part in parts:
        name, _, position = part.partition(":")
        first, _, second = position.partition("-")
        positions[name] = int(first), int(second)
    return Place(epoch, positions)
