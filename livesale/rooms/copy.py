"""Keeps Redis's copy of a room in step with SQL, and sends the events that say what changed.

SQL changes first, in one transaction that increments the room's version; then Redis follows. After
a crash in between, Redis is behind: the next change, or the keeper, sees it by the version and
copies the whole room again. A room that Redis lost is rebuilt with a new epoch.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import structlog

from livesale.catalogue import store as catalogue
from livesale.catalogue.store import Drop
from livesale.database.engine import now_ms
from livesale.database.session import session
from livesale.resources import Deployment
from livesale.rooms import store
from livesale.rooms.events import Event, ItemView, RoomReset
from livesale.rooms.people import store as people_store
from livesale.rooms.people.scripts import PeopleScripts, until_text
from livesale.rooms.people.store import Restriction
from livesale.rooms.person_ids import PersonIds
from livesale.rooms.scripts import ChangeCode, RoomGateway
from livesale.rooms.states import OVER, BarKind
from livesale.rooms.store import Room
from livesale.rooms.views import news_of_drop, seen_item, view_of_room
from livesale.tokens.keyring import Keyring
from livesale.validation.refusals import Unknown

MAX_DROPS = 100  # of one room
TICK_MS = 200  # the shortest time between two counts of a drop: five a second

Answer = TypeVar("Answer")

log = structlog.get_logger(__name__)


class RoomCopy:
    """One per process. All raise StoreUnavailable and the faults of stock.errors."""

    def __init__(self, deployment: Deployment) -> None:
        self._engine = deployment.engine
        self._sql = deployment.sql
        self._keep_ms = deployment.settings.live.keep_s * 1000
        self.gateway = RoomGateway(deployment.engine, history=deployment.settings.live.history)
        self.person_ids = PersonIds(Keyring.from_settings(deployment.settings))
        self.people = PeopleScripts(self.gateway, self.person_ids)

    async def publish(
        self, room: Room, event: Event, items: dict[str, ItemView | None] | None = None
    ) -> None:
        """Update Redis to the room in SQL, and send the event. Safe to repeat."""
        code = await self.gateway.change(
            view_of_room(room), event, items, keep_ms=self._keep_of(room)
        )
        if code in (ChangeCode.UNKNOWN_ROOM, ChangeCode.BEHIND):
            await self.revive(room.room_id)

    async def with_room(
        self,
        room_id: str,
        ask: Callable[[], Awaitable[Answer]],
        is_lost: Callable[[Answer], bool],
    ) -> Answer:
        """Run a script and return its answer. If Redis lacks the room, copy it there and run the
        script once more. Raises Unknown."""
        answer = await ask()
        if is_lost(answer):
            await self.revive(room_id)
            answer = await ask()
        return answer

    async def revive(self, room_id: str) -> None:
        """Copy the room from SQL if Redis lacks it or has an older version. Raises Unknown."""
        async with session(self._sql) as connection:
            room = await store.find_room(connection, room_id)
            items = await store.items_of(connection, room_id)
            bars = await people_store.restrictions_of(connection, room_id, now_ms())
        if room is None:
            raise Unknown("unknown_room")
        view = view_of_room(room)
        seen = [shown for item in items if (shown := seen_item(item)) is not None]
        event = RoomReset(room=view, items=seen)
        restored = await self.gateway.restore(view, seen, event, keep_ms=self._keep_of(room))
        await self.people.bring_restrictions(room_id, room.bars_version, untils_of(bars))
        if restored:
            log.info("a room was copied into Redis", room_id=room_id, version=room.version)
            await self.tell_drops(room_id)

    async def tell_drops(self, room_id: str) -> None:
        """Send a room the state of each of its drops."""
        async with session(self._sql) as connection:
            drops = await catalogue.drops_of_room(connection, room_id, MAX_DROPS)
        for drop in drops:
            await self.tell_drop(room_id, drop)

    async def tell_drop(self, room_id: str, drop: Drop) -> None:
        news = news_of_drop(drop, await self._engine.snapshot(drop.drop_id))
        await self.gateway.tell(room_id, news, tick_ms=TICK_MS)

    def _keep_of(self, room: Room) -> int:
        return self._keep_ms if room.state in OVER else 0


def untils_of(bars: Sequence[Restriction]) -> dict[str, str]:
    """The end of each person's mute and ban, in Redis's format."""
    found: dict[str, dict[str, int]] = {}
    for bar in bars:
        found.setdefault(bar.buyer_id, {})[bar.kind] = bar.until_ms
    return {
        buyer_id: until_text(kinds.get(BarKind.MUTE, 0), kinds.get(BarKind.BAN, 0))
        for buyer_id, kinds in found.items()
    }
