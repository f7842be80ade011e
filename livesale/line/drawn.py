"""The order of a draw, from its list: who is where. No I/O.

The list has the early places, without those that were left before the opening. Lots order it:
docs/line.md says exactly how. The places that were left come behind, and get nothing.
"""

from array import array
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from livesale.draws.lots import commitment_of, entry_id_of, list_hash_of, order_of


class Early(Struct, frozen=True, gc=False):
    """A place that was given before the opening."""

    place: int
    buyer_id: str
    left: bool  # before the opening


class DrawnList(Struct, frozen=True):
    """What a draw is made of, and makes. `order` has numbers in the list, the first first."""

    list_hash: str
    entry_ids: list[str]
    order: list[int]
    places: list[int]  # by position, those that were left at the end


class LineDraw(Struct, frozen=True):
    """Everything that a draw follows from. `entry_ids` is the list in its order; `order` has
    numbers in that list, who was drawn first at the front."""

    drop_id: str
    commitment: str
    seed: str
    list_hash: str
    entry_ids: list[str]
    order: list[int]


def draw(seed: str, salt: str, early: Sequence[Early]) -> DrawnList:
    """The order of the early places. Takes about 4 µs an entry."""
    here = [one for one in early if not one.left]
    entry_ids = [entry_id_of(salt, one.buyer_id) for one in here]
    order = order_of(seed, entry_ids)
    places = [here[number].place for number in order]
    places += [one.place for one in early if one.left]
    return DrawnList(list_hash_of(entry_ids), entry_ids, order, places)


def early_places(
    batches: Sequence[tuple[int, Sequence[str]]],
    leaves: Mapping[int, int],
    early: int,
    opens_ms: int,
) -> list[Early]:
    """The first `early` places, from the people of each log entry, and the times of leaving."""
    found: list[Early] = []
    for first, buyers in batches:
        for place, buyer_id in enumerate(buyers[: max(0, early - first)], first):
            found.append(Early(place, buyer_id, leaves.get(place, opens_ms) < opens_ms))
    return found


class DrawnOrder:
    """The positions of a draw: four bytes a place."""

    def __init__(self, places: Sequence[int]) -> None:
        self.n0 = len(places)
        self._positions = array("I", bytes(4 * self.n0))
        for position, place in enumerate(places):
            self._positions[place] = position

    def position_of(self, index: int) -> int:
        """Where the place is in the order: 0 is the first. Late places follow."""
        return self._positions[index] if 0 <= index < self.n0 else index


def read_record(raw: bytes) -> LineDraw:
    """The answer of `GET /v1/drops/{id}/draw`. Raises ValueError."""
    try:
        return msgspec.json.decode(raw, type=LineDraw)
    except (ValueError, RecursionError) as error:  # no UTF-8, no JSON, or nested without end
        raise ValueError(f"it is no record of a draw: {error}") from None


def find_faults(record: LineDraw) -> list[str]:
    """What does not follow in a record; nothing when the draw was as it should be."""
    entries = record.entry_ids
    try:
        commitment = commitment_of(record.seed)
    except ValueError:
        return ["the seed is not hexadecimal"]
    faults = []
    if commitment != record.commitment:
        faults.append(f"the commitment is not that of the seed, which is {commitment}")
    if (found := list_hash_of(entries)) != record.list_hash:
        faults.append(f"the list's hash is not that of the list, which is {found}")
    if len(set(entries)) != len(entries):
        faults.append("an entry is in the list twice")
    order = order_of(record.seed, entries)
    if order != record.order:
        pairs = zip(order, record.order, strict=False)
        rank = next((n for n, (right, given) in enumerate(pairs) if right != given), len(order))
        faults.append(f"the order is not that of the lots, from rank {rank} on")
    return faults
