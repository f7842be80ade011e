"""Which operators host which rooms: who starts a show, or takes a seat in it, finds it again."""

from collections.abc import Collection

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError

from livesale.action_log.record import note_change
from livesale.database.engine import now_ms
from livesale.database.session import session
from livesale.resources import Deployment
from livesale.rooms import store
from livesale.rooms.tables import room_seats
from livesale.validation.refusals import Unknown


class Seats:
    """One per process. All raise StoreUnavailable."""

    def __init__(self, deployment: Deployment) -> None:
        self._sql = deployment.sql

    async def take(self, room_id: str, operator: str) -> None:
        """Note that this operator hosts the room. May be repeated. Raises Unknown."""
        async with session(self._sql, write=True) as connection:
            if await store.find_room(connection, room_id) is None:
                raise Unknown("unknown_room")
            try:
                async with connection.begin_nested():
                    row = {"room_id": room_id, "operator": operator, "at_ms": now_ms()}
                    await connection.execute(insert(room_seats), row)
            except IntegrityError:
                return
            note_change({"seat": False}, {"seat": True})

    async def leave(self, room_id: str, operator: str) -> None:
        """May be repeated."""
        seat = room_seats.c
        async with session(self._sql, write=True) as connection:
            done = await connection.execute(
                delete(room_seats).where(seat.room_id == room_id, seat.operator == operator)
            )
            if done.rowcount:
                note_change({"seat": True}, {"seat": False})

    async def taken(self, room_ids: Collection[str], operator: str) -> set[str]:
        """Those of these rooms that the operator hosts."""
        seat = room_seats.c
        query = select(seat.room_id).where(seat.operator == operator, seat.room_id.in_(room_ids))
        async with session(self._sql) as connection:
            return set(await connection.scalars(query))
