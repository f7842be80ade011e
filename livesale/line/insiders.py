"""People who work for the shop: they enter no line and no draw.

Hosts and assistants of rooms are known. Operators are no buyers, so the accounts that they have as
buyers, and those of others who know too much, are in a list that operators keep.
"""

from typing import Annotated, Protocol

from msgspec import Meta, Struct
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.action_log.record import note_change
from livesale.database.engine import now_ms
from livesale.database.errors import StoreUnavailable
from livesale.database.session import session
from livesale.line.tables import insiders
from livesale.resources import Deployment
from livesale.tasks.ttl_cache import TtlCache
from livesale.validation.refusals import SalesFault, Unknown

KEEP_S = 5.0
MAX_INSIDERS = 1_000


class Insider(Struct, frozen=True):
    buyer_id: str
    note: str
    created_ms: int


class InsiderList(Struct, frozen=True):
    insiders: list[Insider]


class InsiderNote(Struct, frozen=True, forbid_unknown_fields=True):
    note: Annotated[
        str, Meta(max_length=200, description="who this is", examples=["Olga, operator"])
    ] = ""


class Teams(Protocol):
    """Who works in rooms: the feature of rooms knows."""

    async def people(self, connection: AsyncConnection) -> set[str]:
        """The buyer ids of hosts and assistants of rooms that are not long over."""
        ...


class Insiders:
    """One per process. All raise StoreUnavailable."""

    def __init__(self, deployment: Deployment, teams: Teams) -> None:
        self._sql = deployment.sql
        self._teams = teams
        self._known: TtlCache[set[str]] = TtlCache(
            self._load, ttl_s=KEEP_S, stale_on=(StoreUnavailable,)
        )

    async def knows(self, buyer_id: str) -> bool:
        """Whether this buyer works for the shop, as of at most five seconds ago; while SQL does not
        answer, as of its last answer."""
        return buyer_id in (await self._known.get("") or ())

    async def list(self) -> InsiderList:
        """Those that operators have named, by id."""
        async with session(self._sql) as connection:
            rows = await connection.execute(select(insiders).order_by(insiders.c.buyer_id))
            return InsiderList([Insider(*row) for row in rows])

    async def add(self, buyer_id: str, note: str) -> Insider:
        """May be repeated, with another note. Raises SalesFault (too_many_insiders)."""
        async with session(self._sql, write=True) as connection:
            known = {
                row.buyer_id: Insider(*row)
                for row in await connection.execute(select(insiders).with_for_update())
            }
            before = known.get(buyer_id)
            after = Insider(buyer_id, note, before.created_ms if before else now_ms())
            if before is None and len(known) >= MAX_INSIDERS:
                raise SalesFault("too_many_insiders", f"There are {MAX_INSIDERS}: remove one.")
            if before is None:
                row = {"buyer_id": buyer_id, "note": note, "created_ms": after.created_ms}
                await connection.execute(insert(insiders), [row])
            elif before != after:
                change = update(insiders).where(insiders.c.buyer_id == buyer_id)
                await connection.execute(change.values(note=note))
            if before != after:
                note_change(before, after)
        self._known.forget("")
        return after

    async def remove(self, buyer_id: str) -> None:
        """Raises Unknown (unknown_insider)."""
        async with session(self._sql, write=True) as connection:
            mine = insiders.c.buyer_id == buyer_id
            found = (await connection.execute(select(insiders).where(mine))).first()
            if found is None:
                raise Unknown("unknown_insider")
            await connection.execute(delete(insiders).where(mine))
            note_change(Insider(*found), None)
        self._known.forget("")

    async def _load(self, _: str) -> set[str] | None:
        async with session(self._sql) as connection:
            named = set(await connection.scalars(select(insiders.c.buyer_id)))
            return named | await self._teams.people(connection)
