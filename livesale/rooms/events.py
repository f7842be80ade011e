"""The numbered events of a room and its shelf, as types. No I/O.

On the wire an event is one JSON object: `offset`, `type` and `at_ms` first, written by the script,
then its subject, an object under the noun of the type, which is the part before the dot. So
`drop.open` has a `drop`, and `stock` a `stock`. Some events also have `items` (the whole shelf) or
`version` (of the room, after a change of the shelf).

The AsyncAPI document is made from these types. Other features of rooms have their own `events.py`,
and list its types in `Feature.events`.
"""

import msgspec
from msgspec import Struct

from livesale.rooms.states import DropPhase, ItemState, RoomState
from stock.line.model import LineMode, LineState


class RoomView(Struct, frozen=True):
    """A room as viewers see it. `live_status` is the number that WeChat's mini-programs use."""

    room_id: str
    title: str
    cover_url: str
    host: str
    state: RoomState
    live_status: int
    starts_ms: int
    started_ms: int | None
    ended_ms: int | None
    pinned: str | None  # the item being explained
    pinned_ms: int | None  # when the explanation began
    version: int
    host_name: str | None = None
    host_avatar_url: str | None = None
    muted: bool = False  # only host, assistants and operators comment


class ItemView(Struct, frozen=True):
    """An item of the shelf. Sort items by `position`, then by `item_id`."""

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
    """The present room and shelf: they replace all earlier events."""

    room: RoomView
    items: list[ItemView]


class ItemChanged(Event, frozen=True, kw_only=True, tag="item.changed"):
    """An item became visible, or changed."""

    item: ItemView
    version: int


class ItemRef(Struct, frozen=True):
    item_id: str


class PinnedItem(Struct, frozen=True):
    item_id: str
    pinned_ms: int


class ShelfOrder(Struct, frozen=True):
    """The positions of all items, by item id."""

    positions: dict[str, int]


class StockView(Struct, frozen=True):
    """The units left of a drop."""

    drop_id: str
    remaining: int
    allotted: int


class ItemRemoved(Event, frozen=True, kw_only=True, tag="item.removed"):
    """An item is no longer visible. If it was pinned, no item is pinned now."""

    item: ItemRef
    version: int


class ShelfOrdered(Event, frozen=True, kw_only=True, tag="shelf.ordered"):
    """The shelf has a new order."""

    shelf: ShelfOrder
    version: int


class ItemPinned(Event, frozen=True, kw_only=True, tag="item.pinned"):
    """The host explains this item; the previous one is finished."""

    item: PinnedItem
    version: int


class ItemUnpinned(Event, frozen=True, kw_only=True, tag="item.unpinned"):
    """The host no longer explains an item."""

    item: ItemRef
    version: int


class _DropEvent(Event, frozen=True, kw_only=True):
    drop: DropView


class DropPrepared(_DropEvent, frozen=True, kw_only=True, tag="drop.prepared"):
    """This room will sell a drop; the time is not set yet."""


class DropOpening(_DropEvent, frozen=True, kw_only=True, tag="drop.opening"):
    """The countdown runs: sales begin at `opens_ms`."""


class DropOpen(_DropEvent, frozen=True, kw_only=True, tag="drop.open"):
    """The drop is on sale."""


class Stock(Event, frozen=True, kw_only=True, tag="stock"):
    """The units left. At most five a second for a drop; the last value is always sent."""

    stock: StockView


class DropSoldOut(_DropEvent, frozen=True, kw_only=True, tag="drop.sold_out"):
    """No units are left. Unpaid holds may return."""


class DropReturned(_DropEvent, frozen=True, kw_only=True, tag="drop.returned"):
    """Units returned or were added after it was sold out."""


class DropPaused(_DropEvent, frozen=True, kw_only=True, tag="drop.paused"):
    """No new reservations for now."""


class DropResumed(_DropEvent, frozen=True, kw_only=True, tag="drop.resumed"):
    """Sales continue after a pause."""


class DropClosed(_DropEvent, frozen=True, kw_only=True, tag="drop.closed"):
    """The sale is over."""


class DropRef(Struct, frozen=True):
    drop_id: str


class DropRemoved(Event, frozen=True, kw_only=True, tag="drop.removed"):
    """This room will not sell a drop that was prepared: remove it from the screen."""

    drop: DropRef


class LineView(Struct, frozen=True):
    """`GET /v1/drops/{drop_id}/line` has the rest: its numbers are only worth asking for when this
    changes, or when a place says so."""

    drop_id: str
    state: LineState
    mode: LineMode


class LineChanged(Event, frozen=True, kw_only=True, tag="line"):
    """The line in front of a drop of this room gathers, is open, is gone, or void: one event for
    all viewers, so nobody has to ask."""

    line: LineView


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
    DropRemoved,
    LineChanged,
]

# A busy worker may delay these and send only the next of their kind.
PATIENT = {"stock", "people"}

_encode = msgspec.json.Encoder().encode


def kind_of(event: type[Event]) -> str:
    """The `type` of an event on the wire."""
    return str(event.__struct_config__.tag)


def encode(event: Event) -> tuple[str, str]:
    """The type, and the rest of the JSON from its comma to its last brace, for a script.

    Ignores `offset` and `at_ms` of `event`: the script sets them.
    """
    kind = kind_of(type(event))
    if event.offset or event.at_ms:
        raise ValueError("Redis sets the number and the time of an event")
    # Tag, offset and at_ms come first, in the order of livesale.rooms.events.Event.
    head = f'{{"type":"{kind}","offset":0,"at_ms":0'
    text = _encode(event).decode()
    assert text.startswith(head)  # noqa: S101  the order of members is that of the types
    return kind, text[len(head) :]
