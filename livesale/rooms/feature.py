"""The feature "rooms"."""

from livesale.feature import Feature
from livesale.identity.profiles.service import Profiles
from livesale.line.insiders import Teams
from livesale.rooms import admin_routes, on_air_routes, routes, shelf_routes, tables
from livesale.rooms.copy import RoomCopy
from livesale.rooms.drafts import RoomDrafts
from livesale.rooms.events import EVENTS
from livesale.rooms.keeper import RoomKeeper, RoomMetrics
from livesale.rooms.lifecycle import RoomLifecycle
from livesale.rooms.members import Members, RoomTeams
from livesale.rooms.on_air import OnAir
from livesale.rooms.person_ids import PersonIds
from livesale.rooms.problems import PROBLEMS
from livesale.rooms.seats import Seats
from livesale.rooms.service import Rooms, StoredRooms
from livesale.rooms.shelf import Shelves
from livesale.sales.drops import Drops, KnownRooms
from livesale.validation.uses import Uses

feature = Feature(
    name="rooms",
    routes=(
        *(*routes.ROUTES, *shelf_routes.ROUTES, *on_air_routes.ROUTES),
        *admin_routes.ROUTES,
    ),
    problems=PROBLEMS,
    parts={
        KnownRooms: lambda parts: StoredRooms(parts[RoomCopy]),
        Teams: lambda _: RoomTeams(),
        RoomCopy: lambda parts: RoomCopy(parts.deployment),
        PersonIds: lambda parts: parts[RoomCopy].person_ids,
        Rooms: lambda parts: Rooms(parts.deployment, parts[RoomCopy], parts[Profiles]),
        RoomLifecycle: lambda parts: RoomLifecycle(parts.deployment, parts[RoomCopy]),
        Members: lambda parts: Members(parts.deployment, parts[Rooms]),
        Seats: lambda parts: Seats(parts.deployment),
        Shelves: lambda parts: Shelves(parts.deployment, parts[RoomCopy]),
        OnAir: lambda parts: OnAir(parts.deployment, parts[Drops], parts[RoomCopy]),
        RoomDrafts: lambda parts: RoomDrafts(parts.deployment, parts[RoomLifecycle], parts[Uses]),
    },
    tables=(
        tables.rooms,
        tables.room_items,
        tables.room_marks,
        tables.room_members,
        tables.room_seats,
    ),
    events=EVENTS,
    jobs={"rooms": RoomKeeper},
    metrics=(RoomMetrics,),
)
