"""Every numbered event of a room, as types. No I/O.

On the wire an event is one JSON object: `offset` first, then `type` and `at_ms`, which the script
that sends it puts there, then what stands here. The AsyncAPI document is made from these types; a
part of the room that sends events of its own adds its types to `EVENTS`.
"""

from typing import Literal

import msgspec
from msgspec import Struct

from livesale.rooms.states import BagPhase, BarKind, DropPhase, ItemState, RoomState

Speaker = Literal["viewer", "assistant", "host"]


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


class PeopleView(Struct, frozen=True):
    """Who is in the room: open sockets now, the most there were, and likes of all time."""

    online: int
    peak: int
    likes: int


class CommentView(Struct, frozen=True):
    """What somebody said: plain text of one line, for a client to show as text and nothing else."""

    comment_id: int
    at_ms: int
    buyer_id: str
    role: Speaker
    text: str


class BagPrize(Struct, frozen=True):
    """A unit of a drop at no price, or a coupon: one of the two."""

    drop_id: str | None
    coupon: str | None


class BagView(Struct, frozen=True, omit_defaults=True):
    """A lucky bag. `commitment` is the SHA-256 of the seed of its draw; what is behind it comes
    with the draw. `winners` are entry ids, the first winner first."""

    bag_id: str
    title: str
    state: BagPhase
    prize: BagPrize
    places: int  # how many win
    stay_ms: int  # for how long one must have been asking before one is in
    draws_ms: int
    commitment: str
    phrase: str | None = None  # that one must have said in a comment, since the bag was opened
    seed: str | None = None
    list_hash: str | None = None
    entries: int | None = None
    winners: list[str] | None = None
    reason: str | None = None  # why it is void


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


class ItemRemoved(Event, frozen=True, kw_only=True, tag="item.removed"):
    """An item is not to be seen any more. If it was pinned, nothing is now."""

    item_id: str
    version: int


class ShelfOrdered(Event, frozen=True, kw_only=True, tag="shelf.ordered"):
    """The positions of the items, all of them."""

    positions: dict[str, int]
    version: int


class ItemPinned(Event, frozen=True, kw_only=True, tag="item.pinned"):
    """This item is being explained; the one before it no longer is."""

    item_id: str
    pinned_ms: int
    version: int


class ItemUnpinned(Event, frozen=True, kw_only=True, tag="item.unpinned"):
    item_id: str
    version: int


class _DropEvent(Event, frozen=True, kw_only=True):
    """The members of DropView, behind those of Event: a struct cannot have two bases."""

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


class DropPrepared(_DropEvent, frozen=True, kw_only=True, tag="drop.prepared"):
    """A drop will be sold in this room; when is not said yet."""


class DropOpening(_DropEvent, frozen=True, kw_only=True, tag="drop.opening"):
    """The countdown runs: it sells from `opens_ms` on."""


class DropOpen(_DropEvent, frozen=True, kw_only=True, tag="drop.open"):
    """It sells."""


class Stock(Event, frozen=True, kw_only=True, tag="stock"):
    """What is left. At most five a second for a drop; the last value is always sent."""

    drop_id: str
    remaining: int
    allotted: int


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


class People(Event, frozen=True, kw_only=True, tag="people"):
    """Viewers, peak and likes as they are now; at most one in `live.people_ms`."""

    online: int
    peak: int
    likes: int


class Comment(Event, frozen=True, kw_only=True, tag="comment"):
    """Somebody said something: plain text of one line, to be shown as text and nothing else."""

    comment_id: int
    buyer_id: str
    role: Speaker
    text: str


class CommentDeleted(Event, frozen=True, kw_only=True, tag="comment.deleted"):
    """A comment was taken back: it is not to be shown any more."""

    comment_id: int


class ViewerBarred(Event, frozen=True, kw_only=True, tag="viewer.barred"):
    """A buyer may not speak (mute), or not be here (ban), until `until_ms`."""

    buyer_id: str
    bar: BarKind
    until_ms: int


class ViewerUnbarred(Event, frozen=True, kw_only=True, tag="viewer.unbarred"):
    """A buyer may speak again, or come in again, ahead of time."""

    buyer_id: str
    bar: BarKind


class BagOpened(Event, frozen=True, kw_only=True, tag="bag.opened"):
    """A lucky bag takes entries until its `draws_ms`. Keep its `commitment` to check the draw."""

    bag: BagView


class BagDrawn(Event, frozen=True, kw_only=True, tag="bag.drawn"):
    """The draw, with all that it follows from but the list itself."""

    bag: BagView


class BagVoid(Event, frozen=True, kw_only=True, tag="bag.void"):
    """The bag could not be drawn: nobody wins."""

    bag: BagView


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
    People,
    Comment,
    CommentDeleted,
    ViewerBarred,
    ViewerUnbarred,
    BagOpened,
    BagDrawn,
    BagVoid,
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
