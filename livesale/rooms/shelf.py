"""The shelf of a room: its items, their order, and the pinned one.

Every change locks the room's row, increments its version and sends one event. A change with a
`version` is refused if the room has another version by now.
"""

from collections.abc import Iterable
from typing import Annotated, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType, structs
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.action_log.record import note_change
from livesale.catalogue import store as catalogue
from livesale.catalogue.skus.service import PriceFen, Title
from livesale.catalogue.skus.store import Sku, find_sku
from livesale.catalogue.store import Drop
from livesale.database.errors import StoreUnavailable
from livesale.database.session import session
from livesale.once.creations import Once, claim
from livesale.resources import Deployment
from livesale.rooms import store
from livesale.rooms.copy import RoomCopy
from livesale.rooms.events import (
    Event,
    ItemChanged,
    ItemPinned,
    ItemRef,
    ItemRemoved,
    ItemUnpinned,
    ItemView,
    PinnedItem,
    RoomChanged,
    ShelfOrder,
    ShelfOrdered,
)
from livesale.rooms.service import MAX_ITEMS, Url, room_over
from livesale.rooms.states import OVER, ItemState
from livesale.rooms.store import Item, Mark, Room
from livesale.rooms.views import seen_item, view_of_item, view_of_room
from livesale.sales.drops import Id
from livesale.tasks.ttl_cache import TtlCache
from livesale.validation.refusals import InvalidField, RoomRefused, Unknown
from stock.ids import new_id

V = TypeVar("V")

LIST_S = 0.2  # cache time of public reads

Version = Annotated[int, Meta(ge=1, description="of the room; refused if the room has another")]


class NewItem(Struct, frozen=True, forbid_unknown_fields=True):
    """Names a SKU or a drop of this room; title and price come from it unless given."""

    sku_id: Id | None = None
    drop_id: Id | None = None
    title: Title | None = None
    price_fen: PriceFen | None = None
    image_url: Url = ""
    state: ItemState = ItemState.HIDDEN


class ItemEdit(Struct, frozen=True, forbid_unknown_fields=True):
    """Changes only the given members."""

    title: Title | UnsetType = UNSET
    price_fen: PriceFen | UnsetType = UNSET
    image_url: Url | UnsetType = UNSET
    state: ItemState | UnsetType = UNSET
    version: Version | UnsetType = UNSET


class NewOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """All items of the shelf, also hidden ones, in their new order."""

    item_ids: Annotated[list[Id], Meta(min_length=1, max_length=MAX_ITEMS)]
    version: Version | None = None


class Shelf(Struct, frozen=True):
    """The items in order, and the version of the room."""

    room_id: str
    items: list[ItemView]
    pinned: str | None
    version: int


class MarkView(Struct, frozen=True):
    """A time in which an item was explained; `at_ms` counts from the room's beginning."""

    mark_id: str
    item_id: str
    began_ms: int
    ended_ms: int | None
    at_ms: int | None


class MarkPage(Struct, frozen=True):
    """Send `next` as `after` to get the next page; null at the end."""

    marks: list[MarkView]
    next: str | None


class Shelves:
    """One per process. All methods raise StoreUnavailable, the faults of stock.errors, Unknown.
    Changes also raise RoomRefused (room_over, version_conflict)."""

    def __init__(self, deployment: Deployment, copy: RoomCopy) -> None:
        self._sql = deployment.sql
        self._engine = deployment.engine
        self._copy = copy
        away = (StoreUnavailable,)
        self._seen: TtlCache[Shelf] = TtlCache(self._load_seen, ttl_s=LIST_S, stale_on=away)
        self._marks: TtlCache[MarkPage] = TtlCache(
            self._load_marks, ttl_s=LIST_S, max_found=100, stale_on=away
        )

    async def show(self, room_id: str) -> Shelf:
        """The visible part of the shelf, at most 200 ms old."""
        return _known(await self._seen.get(room_id))

    async def show_whole(self, room_id: str) -> Shelf:
        """The shelf with hidden items, for people who run the room."""
        return _known(await self._load(room_id, hidden=True))

    async def _load_seen(self, room_id: str) -> Shelf | None:
        return await self._load(room_id, hidden=False)

    async def _load(self, room_id: str, *, hidden: bool) -> Shelf | None:
        async with session(self._sql) as connection:
            room = await store.find_room(connection, room_id)
            items = await store.items_of(connection, room_id)
        return _shelf(room, items, hidden=hidden) if room is not None else None

    async def add(self, room_id: str, new: NewItem, once: Once | None = None) -> ItemView:
        """Add an item at the end. Raises InvalidField or RoomRefused (shelf_full); Made,
        KeyConflict."""
        if (new.sku_id is None) == (new.drop_id is None):
            raise InvalidField("sku_id", "Give either a SKU or a drop.")
        async with session(self._sql, write=True) as connection:
            room = await _open_room(connection, room_id, None)
            await claim(connection, once, item_id := new_id())
            named = await _named(connection, room_id, new)
            count, last = await store.count_items(connection, room_id)
            if count >= MAX_ITEMS:
                raise RoomRefused(
                    "shelf_full", f"A shelf has at most {MAX_ITEMS} items: remove one first."
                )
            item = Item(
                room_id=room_id,
                item_id=item_id,
                title=new.title or named.title,
                image_url=new.image_url,
                price_fen=new.price_fen or named.price_fen,
                state=new.state,
                position=last + 1,
                sku_id=named.sku_id,
                drop_id=new.drop_id,
            )
            await store.add_item(connection, item)
            note_change(None, view_of_item(item))
            room = await store.change_room(connection, room)
        await self._say(room, _event_of(room, item), item)
        return view_of_item(item)

    async def find(self, room_id: str, item_id: str) -> ItemView:
        """Raises Unknown("unknown_item")."""
        async with session(self._sql) as connection:
            return view_of_item(await _item(connection, room_id, item_id))

    async def edit(self, room_id: str, item_id: str, edit: ItemEdit) -> ItemView:
        """Change an item; hiding it unpins it. Raises Unknown("unknown_item")."""
        given = {
            name: value
            for name, value in structs.asdict(edit).items()
            if value is not UNSET and name != "version"
        }
        expected = edit.version if isinstance(edit.version, int) else None
        now_ms = await self._engine.now_ms()
        async with session(self._sql, write=True) as connection:
            room = await _open_room(connection, room_id, expected)
            before = await _item(connection, room_id, item_id)
            item = structs.replace(before, **given)
            await store.change_item(connection, item)
            note_change(view_of_item(before), view_of_item(item))
            room = await self._change(connection, room, item, now_ms)
        await self._say(room, _event_of(room, item), item)
        return view_of_item(item)

    async def remove(self, room_id: str, item_id: str) -> None:
        """Remove an item. Raises Unknown("unknown_item")."""
        now_ms = await self._engine.now_ms()
        async with session(self._sql, write=True) as connection:
            room = await _open_room(connection, room_id, None)
            item = await _item(connection, room_id, item_id)
            await store.remove_item(connection, room_id, item_id)
            note_change(view_of_item(item), None)
            item = structs.replace(item, state=ItemState.HIDDEN)
            room = await self._change(connection, room, item, now_ms)
        await self._say(room, _event_of(room, item), item)

    async def order(self, room_id: str, order: NewOrder) -> Shelf:
        """Reorder the items. Raises InvalidField unless it names each item once."""
        async with session(self._sql, write=True) as connection:
            room = await _open_room(connection, room_id, order.version)
            items = {item.item_id: item for item in await store.items_of(connection, room_id)}
            if sorted(order.item_ids) != sorted(items):
                raise InvalidField("item_ids", "Name each item of the shelf exactly once.")
            ordered = [
                structs.replace(items[item_id], position=position)
                for position, item_id in enumerate(order.item_ids, 1)
            ]
            for item in ordered:
                if items[item.item_id].position != item.position:
                    await store.change_item(connection, item)
            room = await store.change_room(connection, room)
            note_change(_places(items.values()), _places(ordered))
        seen = {item.item_id: view for item in ordered if (view := seen_item(item)) is not None}
        positions = {item_id: view.position for item_id, view in seen.items()}
        event = ShelfOrdered(shelf=ShelfOrder(positions), version=room.version)
        await self._publish(room, event, dict(seen))
        return _shelf(room, ordered, hidden=True)

    async def pin(self, room_id: str, item_id: str) -> Shelf:
        """Begin to explain an item; ends the previous one. Raises Unknown or RoomRefused
        (item_hidden)."""
        now_ms = await self._engine.now_ms()
        async with session(self._sql, write=True) as connection:
            room = await _open_room(connection, room_id, None)
            item = await _item(connection, room_id, item_id)
            if item.state == ItemState.HIDDEN:
                raise RoomRefused("item_hidden", "The item is hidden from viewers.")
            replayed = room.pinned == item_id
            if not replayed:
                await store.end_marks(connection, room_id, now_ms)
                mark = Mark(room_id, new_id(), item_id, now_ms, None)
                await store.begin_mark(connection, mark)
                note_change({"pinned": room.pinned}, {"pinned": item_id})
                room = await store.change_room(connection, room, pinned=item_id, pinned_ms=now_ms)
            items = await store.items_of(connection, room_id)
        pinned_ms = room.pinned_ms or now_ms
        event = ItemPinned(item=PinnedItem(item_id, pinned_ms), version=room.version)
        await self._publish(room, event)
        return _shelf(room, items, hidden=True)

    async def unpin(self, room_id: str) -> Shelf:
        """Stop explaining the pinned item."""
        now_ms = await self._engine.now_ms()
        async with session(self._sql, write=True) as connection:
            room = await _open_room(connection, room_id, None)
            was = room.pinned
            if was is not None:
                room = await self._unpin(connection, room, now_ms)
                note_change({"pinned": was}, {"pinned": None})
            items = await store.items_of(connection, room_id)
        event: Event = RoomChanged(room=view_of_room(room))
        if was is not None:
            event = ItemUnpinned(item=ItemRef(was), version=room.version)
        await self._publish(room, event)
        return _shelf(room, items, hidden=True)

    async def marks(self, room_id: str, after: str, limit: int) -> MarkPage:
        """When each item was explained, the oldest first; at most 200 ms old."""
        return _known(await self._marks.get(f"{room_id}|{after}|{limit}"))

    async def _load_marks(self, key: str) -> MarkPage | None:
        room_id, after, text = key.split("|")
        limit = int(text)
        async with session(self._sql) as connection:
            room = await store.find_room(connection, room_id)
            found = await store.marks_of(connection, room_id, after=after, limit=limit)
        if room is None:
            return None
        views = [_mark(room, mark) for mark in found]
        return MarkPage(views, found[-1].mark_id if len(found) == limit else None)

    async def _change(
        self, connection: AsyncConnection, room: Room, item: Item, now_ms: int
    ) -> Room:
        """Increment the version; unpin an item that is no longer visible."""
        if room.pinned == item.item_id and item.state == ItemState.HIDDEN:
            return await self._unpin(connection, room, now_ms)
        return await store.change_room(connection, room)

    async def _unpin(self, connection: AsyncConnection, room: Room, now_ms: int) -> Room:
        await store.end_marks(connection, room.room_id, now_ms)
        return await store.change_room(connection, room, pinned=None, pinned_ms=None)

    async def _publish(
        self, room: Room, event: Event, items: dict[str, ItemView | None] | None = None
    ) -> None:
        self._seen.forget(room.room_id)  # so that the caller reads the change
        await self._copy.publish(room, event, items)

    async def _say(self, room: Room, event: Event, item: Item) -> None:
        await self._publish(room, event, {item.item_id: seen_item(item)})


def _known(found: V | None) -> V:
    if found is None:
        raise Unknown("unknown_room")
    return found


def _event_of(room: Room, item: Item) -> Event:
    view = seen_item(item)
    if view is None:
        return ItemRemoved(item=ItemRef(item.item_id), version=room.version)
    return ItemChanged(item=view, version=room.version)


def _shelf(room: Room, items: list[Item], *, hidden: bool) -> Shelf:
    views = [view_of_item(item) for item in items if hidden or item.state != ItemState.HIDDEN]
    return Shelf(room.room_id, views, room.pinned, room.version)


def _places(items: Iterable[Item]) -> dict[str, int]:
    return {item.item_id: item.position for item in items}


def _mark(room: Room, mark: Mark) -> MarkView:
    at_ms = mark.began_ms - room.started_ms if room.started_ms is not None else None
    return MarkView(mark.mark_id, mark.item_id, mark.began_ms, mark.ended_ms, at_ms)


async def _open_room(connection: AsyncConnection, room_id: str, expected: int | None) -> Room:
    """The room, locked, if it is not over."""
    room = await store.lock_room(connection, room_id)
    if room is None:
        raise Unknown("unknown_room")
    if room.state in OVER:
        raise room_over()
    if expected is not None and room.version != expected:
        raise RoomRefused("version_conflict", f"The shelf now has version {room.version}.")
    return room


async def _item(connection: AsyncConnection, room_id: str, item_id: str) -> Item:
    item = await store.find_item(connection, room_id, item_id)
    if item is None:
        raise Unknown("unknown_item")
    return item


async def _named(connection: AsyncConnection, room_id: str, new: NewItem) -> Drop | Sku:
    """The drop or the SKU of an item."""
    if new.drop_id is not None:
        drop = await catalogue.find_drop(connection, new.drop_id)
        if drop is None or drop.room_id != room_id:
            raise InvalidField("drop_id", "There is no such drop in this room.")
        return drop
    sku = await find_sku(connection, new.sku_id or "")
    if sku is None:
        raise InvalidField("sku_id", "There is no such SKU.")
    return sku
