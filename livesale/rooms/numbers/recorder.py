"""Writes the numbers of rooms into SQL: part of the keeper's watch of rooms.

Redis counts, SQL stores. It writes running sums and keeps the highest: any number of keepers may
run, and a missed round loses the detail of a minute, but no count.
"""

from collections.abc import Mapping

from msgspec import Struct

from livesale.database.session import session
from livesale.resources import Deployment
from livesale.rooms.numbers import store
from livesale.rooms.numbers.scripts import ONLINE, PEAK, NumbersGateway, RoomTotals
from livesale.rooms.numbers.store import MINUTE_MS
from livesale.rooms.people.events import PeopleView
from livesale.rooms.states import ON_AIR, OVER
from livesale.rooms.store import Room

EVERY_MS = 5_000
LAST_MS = 10_000  # after the end of a room: workers have sent their last counts by then
ROOMS = 100  # rooms closed in one round


class _Known(Struct, frozen=True):
    """What we wrote for a room: the last tally, all sums, the most viewers of a minute."""

    tally: RoomTotals | None = None
    sums: dict[str, int] | None = None
    online: Mapping[int, int] = {}


class Recorder:
    """One per keeper. All raise StoreUnavailable and the faults of stock.errors."""

    def __init__(self, deployment: Deployment) -> None:
        self._sql = deployment.sql
        self._gateway = NumbersGateway(deployment.engine, history=deployment.settings.live.history)
        self._online: dict[str, tuple[int, int]] = {}  # room → minute, the most viewers in it
        self._written_ms: dict[str, int] = {}
        self._known: dict[str, _Known] = {}

    async def look_at(self, room: Room, people: PeopleView, now_ms: int) -> None:
        """Note the number of viewers, and write what is due."""
        if room.state not in ON_AIR and not people.online:
            return
        room_id, minute_ms = room.room_id, now_ms - now_ms % MINUTE_MS
        before_ms, most = self._online.get(room_id, (minute_ms, 0))
        if minute_ms != before_ms:
            await self._write(room_id, before_ms, most, None, now_ms)
            most = 0
        self._online[room_id] = (minute_ms, max(most, people.online))
        if now_ms - self._written_ms.get(room_id, 0) >= EVERY_MS or minute_ms != before_ms:
            tally = await self._gateway.tally(room_id)
            await self._write(room_id, minute_ms, self._online[room_id][1], tally, now_ms)
            self._written_ms[room_id] = now_ms

    async def close(self, now_ms: int) -> None:
        """Write the final numbers of ended rooms, and forget them."""
        async with session(self._sql) as connection:
            found = await store.unclosed(connection, OVER, now_ms - LAST_MS, ROOMS)
        for room_id in found:
            minute_ms, most = self._online.pop(room_id, (now_ms - now_ms % MINUTE_MS, 0))
            tally = await self._gateway.tally(room_id)
            await self._write(room_id, minute_ms, most, tally, now_ms)
            async with session(self._sql, write=True) as connection:
                await store.close_record(connection, room_id, now_ms)
            self._written_ms.pop(room_id, None)
            self._known.pop(room_id, None)

    async def _write(
        self, room_id: str, minute_ms: int, online: int, tally: RoomTotals | None, now_ms: int
    ) -> None:
        """Write the sums that have changed since our last write."""
        known = self._known.get(room_id, _Known())
        news = {}
        if tally is not None:
            before = known.tally.values if known.tally and known.tally.born == tally.born else {}
            news = {name: n for name, n in tally.values.items() if n != before.get(name, 0)}
        most = known.online.get(minute_ms, 0)
        if not news and online <= most and known.sums is not None:
            return
        async with session(self._sql, write=True) as connection:
            await store.open_record(connection, room_id, now_ms)
            if online > most:
                await store.raise_minute(connection, room_id, ONLINE, minute_ms, online)
            for name, value in news.items():
                assert tally is not None  # noqa: S101  news comes from it
                await store.raise_tally(connection, room_id, tally.born, name, value)
            sums = sums_of(await store.tallies_of(connection, room_id))
            for name, value in sums.items():
                if name != PEAK and value != (known.sums or {}).get(name, 0):
                    await store.raise_minute(connection, room_id, name, minute_ms, value)
        online = max(online, most)
        self._known[room_id] = _Known(tally or known.tally, sums, {minute_ms: online})


def sums_of(tallies: list[tuple[str, str, int]]) -> dict[str, int]:
    """The total over all runs of counts in Redis; for the peak, the maximum."""
    sums: dict[str, int] = {}
    for _, name, value in tallies:
        before = sums.get(name, 0)
        sums[name] = max(before, value) if name == PEAK else before + value
    return sums
