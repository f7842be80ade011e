"""What the cockpit shows of SQL: one look for all workers, by the keeper, while somebody watches.

A worker that answers buyers shall have little of it: it asks Redis for the keeper's last look, and
says that somebody watches, in one round trip. Without a keeper each worker looks for itself.
"""

import asyncio
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from livesale.alerts.store import Alert, list_alerts
from livesale.cockpit import store
from livesale.cockpit.figures import WorkFigures
from livesale.cockpit.part import wall_ms
from livesale.cockpit.store import DropRow, RoomRow
from livesale.database.session import session
from livesale.ledger import sign_of_life
from livesale.resources import Deployment
from livesale.rooms.people.events import PeopleView
from livesale.rooms.states import ON_AIR, RoomState
from livesale.rooms.store import count_rooms
from livesale.rooms.viewers import people_of
from livesale.tasks.ttl_cache import TtlCache
from stock.errors import StockError

OWN_S = 1.9  # how long a look counts that a worker has taken itself
ROUND_S = 0.5  # all parts of one message share one question to Redis
LASTS_MS = 2_500  # the keeper's look vanishes after this time
WATCHED_MS = 3_000
WAIT_S = 0.5  # a Redis that hangs does not hold up what SQL knows
DROPS, ROOMS, ALERTS = 100, 50, 50  # the most that is shown
_STATES = (*ON_AIR, RoomState.BANNED)


class Expired(Struct, frozen=True):
    """Units of holds of one drop that expired, as SQL had them at `at_ms`."""

    units: int
    at_ms: int


class Glance(Struct, frozen=True):
    """What SQL had at `at_ms`; `all_drops` and `all_rooms` count those that are not shown too."""

    at_ms: int
    drops: list[DropRow]
    all_drops: int
    rooms: list[RoomRow]
    people: dict[str, PeopleView | None]
    all_rooms: int
    alerts: list[Alert]
    work: WorkFigures
    expired: Mapping[str, Expired] = {}


class Round(Struct, frozen=True):
    """What Redis said: the keeper's look, and which partitions nobody writes, and nobody sweeps.
    Null: Redis is away, or no keeper looks."""

    glance: Glance | None = None
    unwritten: list[int] | None = None
    unswept: list[int] | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Glance).decode


class Glances:
    """One per worker."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._rounds: TtlCache[Round] = TtlCache(self._ask, ttl_s=ROUND_S, max_found=1)
        self._own: TtlCache[Glance] = TtlCache(self._look, ttl_s=OWN_S, max_found=1)

    async def last(self) -> Glance:
        """At most about two seconds old. Raises StoreUnavailable."""
        shared = (await self.round()).glance
        if shared is not None:
            return shared
        found = await self._own.get("")
        assert found is not None  # noqa: S101  it always returns a result
        return found

    async def round(self) -> Round:
        found = await self._rounds.get("")
        assert found is not None  # noqa: S101  it always returns a result
        return found

    async def _ask(self, _key: str) -> Round:
        keyspace = self._deployment.keyspace
        writers = sign_of_life.keys_of_writers(keyspace)
        keepers = sign_of_life.keys_of_keepers(keyspace)
        asked: list[tuple[str | int, ...]] = [
            ("SET", keyspace.watched, "1", "PX", WATCHED_MS),
            ("GET", keyspace.glance),
            *(("EXISTS", key) for key in (*writers, *keepers)),
        ]
        try:
            async with asyncio.timeout(WAIT_S):
                _, text, *signs = await self._deployment.engine.ask_all(asked)
        except (StockError, TimeoutError):
            return Round()
        glance = None
        if text is not None:
            try:
                glance = _decode(text)
            except msgspec.MsgspecError:  # of another release
                glance = None
        return Round(glance, _missing(signs[: len(writers)]), _missing(signs[len(writers) :]))

    async def _look(self, _key: str) -> Glance:
        return await look(self._deployment, {})


def _missing(signs: list[int]) -> list[int]:
    return [partition for partition, there in enumerate(signs) if not there]


async def look(deployment: Deployment, expired: Mapping[str, Expired]) -> Glance:
    """Look at SQL, in one session, and at the people of the rooms. Raises StoreUnavailable."""
    at_ms = wall_ms()
    async with session(deployment.sql) as connection:
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
    people = await people_of(deployment.redis, [room.room_id for room in rooms])
    figures = WorkFigures(
        at_ms=at_ms,
        refunds_failed=work["refunds_failed"],
        refunds_waiting=work["refunds_waiting"],
        refunds_since_ms=work["refunds_since_ms"] or None,
        quarantined=work["quarantined"],
        cases_asked=work["cases_asked"],
    )
    return Glance(at_ms, drops, all_drops, rooms, people, all_rooms, alerts, figures, expired)


async def share(deployment: Deployment, glance: Glance) -> None:
    """Give it to all workers. Raises RedisError or OSError."""
    text = _encode(glance).decode()
    await deployment.redis.set(deployment.keyspace.glance, text, px=LASTS_MS)
