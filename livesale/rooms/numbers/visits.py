"""Collects visits in one worker and reports them to Redis, which counts each person once.

A worker collects for a second, so a crowd costs one call for each thing. Visits that a killed
worker has not reported are lost: no money depends on them.
"""

import asyncio
import operator
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated

import structlog

from livesale.database.session import session
from livesale.errors import LivesaleError
from livesale.resources import Deployment
from livesale.rooms import store
from livesale.rooms.copy import RoomCopy
from livesale.rooms.numbers.scripts import ENTERED, MAX_NOTED, OPENED, NumbersGateway, name_of_item
from livesale.rooms.states import ItemState
from livesale.tasks import Tasks
from livesale.tasks.ttl_cache import TtlCache
from livesale.validation.refusals import Unknown
from livesale.validation.texts import whole
from stock.errors import StockError
from stock.ids import DROP_ID_PATTERN

FLUSH_S = 1.0
LAST_S = 1.0  # for the last report of a stopping worker
ITEM_S = 1.0  # cache time of visible items
MAX_PENDING = 100_000  # visits that wait to be sent; we drop more

ItemId = Annotated[str, whole(DROP_ID_PATTERN, description="of the shelf")]

log = structlog.get_logger(__name__)


class Visits:
    """One per worker, inside `running`."""

    def __init__(self, deployment: Deployment, copy: RoomCopy) -> None:
        self._sql = deployment.sql
        self._copy = copy
        self._gateway = NumbersGateway(deployment.engine, history=deployment.settings.live.history)
        self._items: TtlCache[bool] = TtlCache(self._is_seen, ttl_s=ITEM_S)
        self._pending: dict[tuple[str, str], dict[str, None]] = {}  # (room, thing) → buyers
        self._size = 0

    def enter(self, room_id: str, buyer_id: str) -> None:
        """Count a buyer in an existing room."""
        self._note(room_id, ENTERED, buyer_id)

    async def open(self, room_id: str, item_id: str, buyer_id: str) -> None:
        """Count that a buyer opened an item. Raises Unknown or StoreUnavailable."""
        if not await self._items.get(f"{room_id}|{item_id}"):
            raise Unknown("unknown_item")
        self._note(room_id, OPENED, buyer_id)
        self._note(room_id, name_of_item(item_id), buyer_id)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Report to Redis until the end of the block, then report the rest."""
        try:
            async with Tasks() as tasks:
                tasks.repeat("rooms: visits", self._keep_telling, after_s=FLUSH_S)
                yield
        finally:
            try:
                async with asyncio.timeout(LAST_S):
                    await self.flush()
            except TimeoutError:
                log.info("the last visits were not counted")

    async def flush(self) -> None:
        """Report to Redis; keep the rest for the next time."""
        for key in list(self._pending):
            found = self._pending.pop(key)
            self._size -= len(found)
            room_id, name = key
            told = False
            try:
                await self._tell(room_id, name, list(found))
                told = True
            except Unknown:
                told = True  # the room does not exist: drop them
            except (StockError, LivesaleError) as fault:
                log.debug("visits are kept for later", room_id=room_id, reason=str(fault))
            finally:  # also if the worker stops in the middle
                if not told:
                    for buyer_id in found:
                        self._note(room_id, name, buyer_id)

    async def _tell(self, room_id: str, name: str, people: list[str]) -> None:
        for start in range(0, len(people), MAX_NOTED):
            some = people[start : start + MAX_NOTED]
            note = partial(self._gateway.note, room_id, name, some)
            await self._copy.with_room(room_id, note, is_lost=operator.not_)

    async def _keep_telling(self) -> float:
        await self.flush()
        return FLUSH_S

    def _note(self, room_id: str, name: str, buyer_id: str) -> None:
        found = self._pending.setdefault((room_id, name), {})
        if buyer_id not in found and self._size < MAX_PENDING:
            found[buyer_id] = None
            self._size += 1

    async def _is_seen(self, key: str) -> bool | None:
        room_id, item_id = key.split("|")
        async with session(self._sql) as connection:
            item = await store.find_item(connection, room_id, item_id)
        return True if item is not None and item.state != ItemState.HIDDEN else None
