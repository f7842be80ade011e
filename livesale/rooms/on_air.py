"""Drops on air: an operator gives them to a room, its host opens them with a countdown.

After that the director sends the drop's changes to the room, from the stock's log. This module does
not change how stock is sold: buyers reserve with the same call as everywhere.
"""

from typing import Annotated

from msgspec import Meta, Struct, structs
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.action_log.record import note_change
from livesale.catalogue import store as catalogue
from livesale.catalogue.service import check_window
from livesale.catalogue.store import Drop
from livesale.database.session import session
from livesale.ledger.states import DRAFT
from livesale.resources import Deployment
from livesale.rooms import store
from livesale.rooms.copy import MAX_DROPS, RoomCopy
from livesale.rooms.service import room_over
from livesale.rooms.states import ON_AIR, OVER
from livesale.rooms.store import Room
from livesale.sales.drops import Adjustment, Drops
from livesale.validation.refusals import DropRefused, InUse, RoomRefused, Unknown

MAX_COUNTDOWN_S = 3_600


class Countdown(Struct, frozen=True, forbid_unknown_fields=True):
    countdown_s: Annotated[
        float, Meta(ge=0, le=MAX_COUNTDOWN_S, description="seconds until it sells", examples=[3])
    ] = 0


class OnAir:
    """One per process. All raise StoreUnavailable, the faults of stock.errors, Unknown,
    PartitionClosed."""

    def __init__(self, deployment: Deployment, drops: Drops, copy: RoomCopy) -> None:
        self._sql = deployment.sql
        self._engine = deployment.engine
        self._drops = drops
        self._copy = copy

    async def bind(self, room_id: str, drop_id: str) -> Drop:
        """Give a draft to a room. Raises RoomRefused (room_over, other_room, shelf_full) or
        DropRefused (terms_conflict: it has been opened)."""
        async with session(self._sql, write=True) as connection:
            room = await store.lock_room(connection, room_id)
            if room is None:
                raise Unknown("unknown_room")
            if room.state in OVER:
                raise room_over()
            drop = await catalogue.find_drop(connection, drop_id)
            if drop is None:
                raise Unknown("unknown_drop")
            if drop.room_id is None:
                before, drop = drop, await self._bind(connection, room_id, drop)
                note_change(before, drop)
            elif drop.room_id != room_id:
                raise RoomRefused("other_room", "The drop belongs to another room.")
        await self._tell(room, drop)
        return drop

    async def unbind(self, room_id: str, drop_id: str) -> Drop:
        """Take a draft back from a room; a repeat is a replay.

        Raises RoomRefused (other_room), InUse while an item of the shelf is this drop, DropRefused
        (drop_opened).
        """
        async with session(self._sql, write=True) as connection:
            room = await store.lock_room(connection, room_id)
            if room is None:
                raise Unknown("unknown_room")
            drop = await catalogue.lock_drop(connection, drop_id)
            if drop is None:
                raise Unknown("unknown_drop")
            if drop.state != DRAFT:
                raise DropRefused("drop_opened", f"The drop is {drop.state}.")
            if drop.room_id not in (room_id, None):
                raise RoomRefused("other_room", "The drop belongs to another room.")
            if drop.room_id is not None:
                for item in await store.items_of(connection, room_id):
                    if item.drop_id == drop_id:
                        raise InUse(f"The item {item.item_id} of the shelf uses the drop.")
                await catalogue.unbind_drop(connection, drop_id, room_id)
                before, drop = drop, structs.replace(drop, room_id=None, version=drop.version + 1)
                note_change(before, drop)
        await self._copy.gateway.remove_drop(room_id, drop_id)
        return drop

    async def _bind(self, connection: AsyncConnection, room_id: str, drop: Drop) -> Drop:
        if len(await catalogue.drops_of_room(connection, room_id, MAX_DROPS)) == MAX_DROPS:
            detail = f"A room has at most {MAX_DROPS} drops: sell this one in another room."
            raise RoomRefused("shelf_full", detail)
        if not await catalogue.bind_drop(connection, drop.drop_id, room_id):
            raise DropRefused("terms_conflict", "The drop was opened without a room.")
        return structs.replace(drop, room_id=room_id, version=drop.version + 1)

    async def open(self, room: Room, drop_id: str, countdown_s: float) -> Drop:
        """Put a drop on sale after a countdown, by Redis's clock. A repeat is a replay: the first
        countdown counts.

        Raises RoomRefused (room_state) if the room is not on air, InvalidField if it would open
        after its end, DropRefused (drop_closed, terms_conflict, line_needs_time).
        """
        drop = await self.find(room, drop_id)
        if room.state not in ON_AIR:
            raise RoomRefused("room_state", f"The room is {room.state}.")
        opens_ms = await self._engine.now_ms() + round(countdown_s * 1000)
        if drop.state == DRAFT:
            check_window(opens_ms, drop.closes_ms)
        return await self._drops.open(drop_id, opens_ms=opens_ms)

    async def pause(self, room: Room, drop_id: str) -> Drop:
        """Raises DropRefused (not_opened, drop_closed)."""
        await self.find(room, drop_id)
        return await self._drops.pause(drop_id)

    async def resume(self, room: Room, drop_id: str) -> Drop:
        """Raises DropRefused (not_opened, drop_closed)."""
        await self.find(room, drop_id)
        return await self._drops.resume(drop_id)

    async def close(self, room: Room, drop_id: str) -> Drop:
        """Raises DropRefused (not_opened)."""
        await self.find(room, drop_id)
        return await self._drops.close(drop_id)

    async def restock(
        self, room: Room, drop_id: str, units: int, reason: str, adjust_id: str | None
    ) -> Adjustment:
        """Add units. Raises what `livesale.sales.drops.Drops.adjust` raises."""
        await self.find(room, drop_id)
        return await self._drops.adjust(drop_id, units, reason, adjust_id)

    async def find(self, room: Room, drop_id: str) -> Drop:
        """A drop of the room."""
        drop = await self._drops.find(drop_id)
        if drop.room_id != room.room_id:
            raise Unknown("unknown_drop")
        return drop

    async def _tell(self, room: Room, drop: Drop) -> None:
        await self._copy.revive(room.room_id)
        await self._copy.tell_drop(room.room_id, drop)
