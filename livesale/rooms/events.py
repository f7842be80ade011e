"""The numbered events of a room and its shelf, as types. No I/O.

On the wire an event is one JSON object: `offset` first, then `type` and `at_ms`, which the script
that sends it puts there, then its subject, an object under the noun of the type: the part before
the dot. So `drop.open` has a `drop`, and `stock` a `stock`. Beside it stand at most `items` (the
whole shelf) and `version` (of the room, where the shelf changes).

The AsyncAPI document is made from these types. Other features of rooms have an `events.py` of their
own, and list the types in `Feature.events`.
"""

import msgspec
from msgspec import Struct

from livesale.rooms.states import DropPhase, ItemState, RoomState


class RoomView(Struct, frozen=True):
    """A room as viewers see it. `live_status` is the number WeChat's mini-programs know."""

    room_id: str
    title: str
    cover_url: str
    host: str
    state: RoomState
    live_status: int
    starts_ms: int
    started_ms: int | None
    ended_ms: int | None
    pinned: str | None  # the item that is being explained
    pinned_ms: int | None  # since when
    version: int


class ItemView(Struct, frozen=True):
    """An item of the shelf. Items are shown by `position`, then by `item_id`."""

    item_id: str
    title: str
    image_url: str
    price_fen: int
    state: ItemState
    position: int
    sku_id: str | None
    drop_id: str | None


class DropView(Struct, frozen=True):
    """A drop of the room. `opens_ms` is by the clock of `/v1/time`."""

    drop_id: str
    title: str
    sku_id: str
    price_fen: int
    buyer_limit: int
    hold_ms: int
    ticket_required: bool
    phase: DropPhase
    remaining: int
    allotted: int
    opens_ms: int
    closes_ms: int


class Event(Struct, frozen=True, kw_only=True, tag_field="type"):
    """`offset` is 1 for the first event of an epoch and rises by one; `at_ms` is Redis's clock."""

    offset: int = 0
    at_ms: int = 0


class RoomChanged(Event, frozen=True, kw_only=True, tag="room.changed"):
    """The state, the title or another member of the room changed."""

    room: RoomView


class RoomReset(Event, frozen=True, kw_only=True, tag="room.reset"):
    """Room and shelf as they are now: what went before no longer counts."""

    room: RoomView
    items: list[ItemView]


class ItemChanged(Event, frozen=True, kw_only=True, tag="item.changed"):
    """An item came to be seen, or is another now."""

    item: ItemView
    version: int


class ItemRef(Struct, frozen=True):
    item_id: str


class PinnedItem(Struct, frozen=True):
    item_id: str
    pinned_ms: int


class ShelfOrder(Struct, frozen=True):
    """The positions of the items, all of them, by item id."""

    positions: dict[str, int]


class StockView(Struct, frozen=True):
    """What is left of a drop."""

    drop_id: str
    remaining: int
    allotted: int


class ItemRemoved(Event, frozen=True, kw_only=True, tag="item.removed"):
    """An item is not to be seen any more. If it was pinned, nothing is now."""

    item: ItemRef
    version: int


class ShelfOrdered(Event, frozen=True, kw_only=True, tag="shelf.ordered"):
    """The shelf has another order."""

    shelf: ShelfOrder
    version: int


class ItemPinned(Event, frozen=True, kw_only=True, tag="item.pinned"):
    """This item is being explained; the one before it no longer is."""

    item: PinnedItem
    version: int


class ItemUnpinned(Event, frozen=True, kw_only=True, tag="item.unpinned"):
    """No item is being explained any more."""

    item: ItemRef
    version: int


class _DropEvent(Event, frozen=True, kw_only=True):
    drop: DropView


class DropPrepared(_DropEvent, frozen=True, kw_only=True, tag="drop.prepared"):
    """A drop will be sold in this room; when is not said yet."""


class DropOpening(_DropEvent, frozen=True, kw_only=True, tag="drop.opening"):
    """The countdown runs: it sells from `opens_ms` on."""


class DropOpen(_DropEvent, frozen=True, kw_only=True, tag="drop.open"):
    """It sells."""


class Stock(Event, frozen=True, kw_only=True, tag="stock"):
    """What is left. At most five a second for a drop; the last value is always sent."""

    stock: StockView


class DropSoldOut(_DropEvent, frozen=True, kw_only=True, tag="drop.sold_out"):
    """Nothing is left. Holds that end unpaid come back."""


class DropReturned(_DropEvent, frozen=True, kw_only=True, tag="drop.returned"):
    """Units came back, or were added, after it was sold out."""


class DropPaused(_DropEvent, frozen=True, kw_only=True, tag="drop.paused"):
    """No new reservations for now."""


class DropResumed(_DropEvent, frozen=True, kw_only=True, tag="drop.resumed"):
    """It sells again after a pause."""


class DropClosed(_DropEvent, frozen=True, kw_only=True, tag="drop.closed"):
    """The sale is over."""


EVENTS: list[type[Event]] = [
    RoomChanged,
    RoomReset,
    ItemChanged,
    ItemRemoved,
    ShelfOrdered,
    ItemPinned,
    ItemUnpinned,
    DropPrepared,
    DropOpening,
    DropOpen,
    Stock,
    DropSoldOut,
    DropReturned,
    DropPaused,
    DropResumed,
    DropClosed,
]

# What may wait a moment for the next of its kind when a worker is busy sending.
PATIENT = {"stock", "people"}

_encode = msgspec.json.Encoder().encode


def kind_of(event: type[Event]) -> str:
    """The `type` of an event on the wire."""
    return str(event.__struct_config__.tag)


def encode(event: Event) -> tuple[str, str]:
    """The type, and the rest of the JSON from its comma to its last brace, for a script.

    `offset` and `at_ms` of `event` are not looked at: the script gives them.
    """
    kind = kind_of(type(event))
    if event.offset or event.at_ms:
        raise ValueError("the number and the time of an event are given by Redis")
    # Tag, offset and at_ms come first: livesale.rooms.events.Event declares them so.
    head = f'{{"type":"{kind}","offset":0,"at_ms":0'
    text = _encode(event).decode()
    assert text.startswith(head)  # noqa: S101  the order of members is that of the types
    return kind, text[len(head) :]
