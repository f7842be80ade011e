"""Roles and permissions in a room.

A room names a buyer as its host. The host names buyers as assistants, who moderate. An operator
may do everything that a host can, and ban the room.
"""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.access.actions import Action
from livesale.action_log.record import begin_record, note_change
from livesale.database.engine import now_ms
from livesale.database.session import session
from livesale.resources import Deployment
from livesale.rooms import store
from livesale.rooms.service import Rooms
from livesale.rooms.store import Room
from livesale.tasks.ttl_cache import TtlCache
from livesale.tokens.signing import Buyer, Operator
from livesale.validation.refusals import RoomRefused, Unknown

MEMBERS_S = 1.0  # cache time of the list of assistants
MAX_ASSISTANTS = 50
TEAM_MS = 30 * 86_400_000  # so long after the end of a room its team counts as people of the shop

ASSISTANT = "assistant"


class RoomRole(StrEnum):
    VIEWER = "viewer"
    ASSISTANT = ASSISTANT
    HOST = "host"
    OPERATOR = "operator"


_RANK = {role: rank for rank, role in enumerate(RoomRole)}


class RoomFace(Struct, frozen=True):
    """A person of a room, as others see it; null where the person set nothing."""

    person_id: str
    nickname: str | None
    avatar_url: str | None


class Assistants(Struct, frozen=True):
    """`people` are the same persons with their names, in the same order."""

    assistants: Annotated[list[str], Meta(description="person ids")]
    people: list[RoomFace]


class RoomTeams:
    """Hosts and assistants of all rooms: `livesale.line.insiders.Teams`."""

    async def people(self, connection: AsyncConnection) -> set[str]:
        return await store.people_of_rooms(connection, now_ms() - TEAM_MS)


class Members:
    """One per process. All raise StoreUnavailable."""

    def __init__(self, deployment: Deployment, rooms: Rooms) -> None:
        self._sql = deployment.sql
        self._rooms = rooms
        self._assistants: TtlCache[list[str]] = TtlCache(self._load, ttl_s=MEMBERS_S)

    async def role_of(self, room: Room, caller: Buyer | Operator | None) -> RoomRole:
        """The caller's role in a room. An operator who may not run rooms is a viewer."""
        if isinstance(caller, Operator):
            return RoomRole.OPERATOR if caller.may(Action.ROOM_RUN) else RoomRole.VIEWER
        return await self.role_of_buyer(room, caller.buyer_id) if caller else RoomRole.VIEWER

    async def role_of_buyer(self, room: Room, buyer_id: str) -> RoomRole:
        if buyer_id == room.host:
            return RoomRole.HOST
        if buyer_id in (await self._assistants.get(room.room_id) or ()):
            return RoomRole.ASSISTANT
        return RoomRole.VIEWER

    async def admit(self, room_id: str, caller: Buyer | Operator | None, least: RoomRole) -> Room:
        """The room, if the caller has at least the role `least`. Starts the record of the action.

        An operator may whatever the action of the route says, which was checked before.
        Raises Unknown, or RoomRefused (not_yours).
        """
        room = await self._rooms.shown(room_id)
        if await self._rank_of(room, caller) < _RANK[least]:
            raise RoomRefused("not_yours", f"You must be the room's {least}.")
        await begin_record()
        return room

    async def check_below(self, room: Room, caller: Buyer | Operator | None, buyer_id: str) -> None:
        """Raises RoomRefused (not_yours) unless the buyer's role is below the caller's."""
        below = await self.role_of_buyer(room, buyer_id)
        if _RANK[below] >= await self._rank_of(room, caller):
            raise RoomRefused("not_yours", "You can only moderate users below your role.")

    async def assistants(self, room_id: str) -> list[str]:
        """The buyer ids of the assistants."""
        async with session(self._sql) as connection:
            return await store.members_of(connection, room_id, ASSISTANT)

    async def appoint(self, room_id: str, buyer_id: str) -> list[str]:
        """Make a buyer an assistant. Raises RoomRefused (too_many_members)."""
        async with session(self._sql, write=True) as connection:
            if await store.lock_room(connection, room_id) is None:
                raise Unknown("unknown_room")
            found = await store.members_of(connection, room_id, ASSISTANT)
            if buyer_id not in found:
                if len(found) >= MAX_ASSISTANTS:
                    detail = f"A room has at most {MAX_ASSISTANTS} assistants: dismiss one first."
                    raise RoomRefused("too_many_members", detail)
                await store.add_member(connection, room_id, buyer_id, ASSISTANT, now_ms())
                note_change({"role": RoomRole.VIEWER}, {"role": ASSISTANT})
        return await self.assistants(room_id)

    async def dismiss(self, room_id: str, buyer_id: str) -> list[str]:
        """Remove an assistant."""
        async with session(self._sql, write=True) as connection:
            if await store.remove_member(connection, room_id, buyer_id, ASSISTANT):
                note_change({"role": ASSISTANT}, {"role": RoomRole.VIEWER})
        return await self.assistants(room_id)

    async def _rank_of(self, room: Room, caller: Buyer | Operator | None) -> int:
        if isinstance(caller, Operator):
            return _RANK[RoomRole.OPERATOR]
        return _RANK[await self.role_of(room, caller)]

    async def _load(self, room_id: str) -> list[str] | None:
        return await self.assistants(room_id)
