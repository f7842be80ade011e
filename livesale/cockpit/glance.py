"""One look at SQL for all that the cockpit shows of it: one session every two seconds."""

from msgspec import Struct

from livesale.alerts.store import Alert, list_alerts
from livesale.cockpit import store
from livesale.cockpit.figures import WorkFigures
from livesale.cockpit.part import wall_ms
from livesale.cockpit.store import DropRow, RoomRow
from livesale.database.session import session
from livesale.resources import Deployment
from livesale.rooms.states import ON_AIR, RoomState
from livesale.rooms.store import count_rooms
from livesale.tasks.ttl_cache import TtlCache

FRESH_S = 1.9  # every second message of a socket has a new look
DROPS, ROOMS, ALERTS = 100, 50, 50  # the most that is shown
_STATES = (*ON_AIR, RoomState.BANNED)


class Glance(Struct, frozen=True):
    """What SQL had at `at_ms`; `all_drops` and `all_rooms` count those that are not shown too."""

    at_ms: int
    drops: list[DropRow]
    all_drops: int
    rooms: list[RoomRow]
    all_rooms: int
    alerts: list[Alert]
    work: WorkFigures


class Glances:
    """One per worker."""

    def __init__(self, deployment: Deployment) -> None:
        self._sql = deployment.sql
        self._found = TtlCache(self._look, ttl_s=FRESH_S, max_found=1)

    async def last(self) -> Glance:
        """At most two seconds old. Raises StoreUnavailable."""
        found = await self._found.get("")
        assert found is not None  # noqa: S101  it always returns a result
        return found

    async def _look(self, _key: str) -> Glance:
        at_ms = wall_ms()
        async with session(self._sql) as connection:
            drops = await store.live_drops(connection, before="", limit=DROPS)
            all_drops = len(drops)
            if all_drops == DROPS:
                all_drops = await store.count_live_drops(connection)
            rooms = await store.rooms_now(connection, _STATES, ROOMS)
            all_rooms = len(rooms)
            if all_rooms == ROOMS:
                all_rooms = sum((await count_rooms(connection, _STATES)).values())
            alerts = await list_alerts(connection, before="", limit=ALERTS, lasting=True)
            work = await store.count_work(connection)
        figures = WorkFigures(
            at_ms=at_ms,
            refunds_failed=work["refunds_failed"],
            refunds_waiting=work["refunds_waiting"],
            refunds_since_ms=work["refunds_since_ms"] or None,
            quarantined=work["quarantined"],
            cases_asked=work["cases_asked"],
        )
        return Glance(at_ms, drops, all_drops, rooms, all_rooms, alerts, figures)
