"""The numbers of a room: viewers, opened items, and sales.

Keepers write the counts of people. Orders and money come from the tables that only the writer
writes, so they are exact for the part of the log that is in SQL.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Annotated

from msgspec import Meta, Struct

from livesale.catalogue import store as catalogue
from livesale.database.session import session
from livesale.ledger.states import DRAFT
from livesale.resources import Deployment
from livesale.rooms import store as store_rooms
from livesale.rooms.copy import MAX_DROPS
from livesale.rooms.numbers import store
from livesale.rooms.numbers.recorder import sums_of
from livesale.rooms.numbers.scripts import ENTERED, ITEM, LIKES, ONLINE, OPENED, PEAK, name_of_item
from livesale.rooms.numbers.store import Buyers, SoldMinute
from livesale.rooms.states import OVER, RoomState
from livesale.rooms.store import Item
from livesale.tasks.ttl_cache import TtlCache
from livesale.validation.refusals import Unknown
from stock.model import DropState

STATS_S = 5.0  # cache time: SQL needs a while for a room of 100,000 orders
MAX_ROOMS = 100  # rooms in the cache


class Sales(Struct, frozen=True):
    """Orders, and the money of paid ones. Later refunds are not subtracted."""

    reserved: int = 0
    reserved_units: int = 0
    paid: int = 0
    paid_units: int = 0
    amount_fen: int = 0


class Funnel(Struct, frozen=True):
    """Distinct persons who entered, opened an item, reserved, paid."""

    entered: Annotated[int, Meta(description="approximate, usually within 1 %")]
    opened: Annotated[int, Meta(description="approximate, usually within 1 %")]
    reserved: int
    paid: int


class ItemNumbers(Struct, frozen=True):
    """`sales` are those of its drop, if any. A removed item has no title."""

    item_id: str
    title: str
    drop_id: str | None
    opened: Annotated[int, Meta(description="persons, approximate")]
    sales: Sales


class DropNumbers(Struct, frozen=True):
    drop_id: str
    title: str
    sales: Sales


class StatsMinute(Struct, frozen=True):
    """The numbers of one minute; `online` is the maximum."""

    minute_ms: int
    online: int
    entered: int
    opened: int
    likes: int
    reserved: int
    paid: int
    amount_fen: int


class RoomNumbers(Struct, frozen=True):
    """`final`: the room is over, and only late payments can still change it. Send `next` as
    `after` to get the next minutes; None at the end."""

    room_id: str
    state: RoomState
    final: bool
    peak: int
    likes: int
    funnel: Funnel
    sales: Sales
    items: list[ItemNumbers]
    drops: list[DropNumbers]
    minutes: list[StatsMinute]
    next: int | None


class ItemMinutes(Struct, frozen=True):
    """One item by minute: `opened` and sales of the item, the rest of the room."""

    item: ItemNumbers
    minutes: list[StatsMinute]
    next: int | None


class _Whole(Struct, frozen=True):
    """All rows in SQL of one room."""

    state: RoomState
    closed: bool
    sums: dict[str, int]
    counted: list[tuple[str, int, int]]  # name, minute, running sum
    items: list[Item]
    titles: dict[str, str]  # drops of the room
    reserved: list[SoldMinute]
    paid: list[SoldMinute]
    buyers: Buyers


class Stats:
    """One per process. All raise Unknown("unknown_room") and StoreUnavailable."""

    def __init__(self, deployment: Deployment) -> None:
        self._sql = deployment.sql
        self._rooms: TtlCache[_Whole] = TtlCache(self._load, ttl_s=STATS_S, max_found=MAX_ROOMS)

    async def of_room(self, room_id: str, after_ms: int, limit: int) -> RoomNumbers:
        """All numbers, with up to `limit` minutes after `after_ms`; at most 5 s old."""
        whole = await self._whole(room_id)
        by_drop = _sales_by_drop(whole)
        minutes, following = _minutes(whole, OPENED, whole.titles, after_ms, limit)
        return RoomNumbers(
            room_id=room_id,
            state=whole.state,
            final=whole.closed and not whole.buyers.held,
            peak=whole.sums.get(PEAK, 0),
            likes=whole.sums.get(LIKES, 0),
            funnel=Funnel(
                entered=whole.sums.get(ENTERED, 0),
                opened=whole.sums.get(OPENED, 0),
                reserved=whole.buyers.reserved,
                paid=whole.buyers.paid,
            ),
            sales=_add(by_drop.values()),
            items=_items(whole, by_drop),
            drops=[
                DropNumbers(drop_id, title, by_drop[drop_id])
                for drop_id, title in whole.titles.items()
            ],
            minutes=minutes,
            next=following,
        )

    async def of_item(self, room_id: str, item_id: str, after_ms: int, limit: int) -> ItemMinutes:
        """One item by minute. Also raises Unknown for an item that was never opened and is not on
        the shelf."""
        whole = await self._whole(room_id)
        for item in _items(whole, _sales_by_drop(whole)):
            if item.item_id == item_id:
                drops = [item.drop_id] if item.drop_id else []
                name = name_of_item(item_id)
                minutes, following = _minutes(whole, name, drops, after_ms, limit)
                return ItemMinutes(item, minutes, following)
        raise Unknown("unknown_item")

    async def _whole(self, room_id: str) -> _Whole:
        found = await self._rooms.get(room_id)
        if found is None:
            raise Unknown("unknown_room")
        return found

    async def _load(self, room_id: str) -> _Whole | None:
        async with session(self._sql) as connection:
            room = await store_rooms.find_room(connection, room_id)
            if room is None:
                return None
            record = await store.find_record(connection, room_id)
            drops = await catalogue.drops_of_room(connection, room_id, MAX_DROPS)
            titles = {drop.drop_id: drop.title for drop in drops if drop.price_fen}
            sums = sums_of(await store.tallies_of(connection, room_id))
            names = [ONLINE, *(name for name in sums if name != PEAK)]
            done = all(drop.state in (DRAFT, DropState.CLOSED) for drop in drops)
            return _Whole(
                state=RoomState(room.state),
                closed=room.state in OVER and done and (record is None or record[0]),
                sums=sums,
                counted=await store.minutes_of(connection, room_id, names),
                items=await store_rooms.items_of(connection, room_id),
                titles=titles,
                # In this order, so that no payment lacks its reservation.
                paid=await store.paid_by_minute(connection, list(titles)),
                reserved=await store.reserved_by_minute(connection, list(titles)),
                buyers=await store.buyers_of(connection, list(titles)),
            )


def _sales_by_drop(whole: _Whole) -> dict[str, Sales]:
    found = dict.fromkeys(whole.titles, Sales())
    for made in whole.reserved:
        more = Sales(reserved=made.orders, reserved_units=made.units)
        found[made.drop_id] = _add((found[made.drop_id], more))
    for paid in whole.paid:
        more = Sales(paid=paid.orders, paid_units=paid.units, amount_fen=paid.amount_fen)
        found[paid.drop_id] = _add((found[paid.drop_id], more))
    return found


def _add(parts: Iterable[Sales]) -> Sales:
    whole = list(parts)
    return Sales(*(sum(getattr(part, name) for part in whole) for name in Sales.__struct_fields__))


def _items(whole: _Whole, by_drop: Mapping[str, Sales]) -> list[ItemNumbers]:
    """The shelf in order, then removed items that were opened."""
    names = {name_of_item(item.item_id): item for item in whole.items}
    gone = sorted(name for name in whole.sums if name.startswith(ITEM) and name not in names)
    found = []
    for name in (*names, *gone):
        item = names.get(name)
        drop_id = item.drop_id if item else None
        found.append(
            ItemNumbers(
                item_id=name.removeprefix(ITEM),
                title=item.title if item else "",
                drop_id=drop_id,
                opened=whole.sums.get(name, 0),
                sales=by_drop.get(drop_id or "", Sales()),
            )
        )
    return found


def _minutes(
    whole: _Whole, opened: str, drop_ids: Collection[str], after_ms: int, limit: int
) -> tuple[list[StatsMinute], int | None]:
    """Minutes after `after_ms` with any activity, and the last of them if there are more.

    `opened` is the name of the count for `opened`; orders of `drop_ids` count.
    """
    found: defaultdict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    columns = {ENTERED: "entered", LIKES: "likes", opened: "opened"}
    before: dict[str, int] = {}
    for name, minute_ms, value in whole.counted:
        if name == ONLINE:
            found[minute_ms]["online"] = value
        elif name in columns:
            # At the end of a minute, two keepers may have written a later sum into it.
            found[minute_ms][columns[name]] = max(0, value - before.get(name, 0))
            before[name] = max(value, before.get(name, 0))
    for made in whole.reserved:
        if made.drop_id in drop_ids:
            found[made.minute_ms]["reserved"] += made.orders
    for paid in whole.paid:
        if paid.drop_id in drop_ids:
            found[paid.minute_ms]["paid"] += paid.orders
            found[paid.minute_ms]["amount_fen"] += paid.amount_fen
    names = StatsMinute.__struct_fields__[1:]
    times = [minute_ms for minute_ms in sorted(found) if minute_ms > after_ms]
    page = [
        StatsMinute(minute_ms, *(found[minute_ms].get(name, 0) for name in names))
        for minute_ms in times[:limit]
    ]
    return page, times[limit - 1] if len(times) > limit else None
