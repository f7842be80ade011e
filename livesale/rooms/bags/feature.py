"""The feature "lucky bags"."""

from livesale.feature import Feature
from livesale.rooms.bags import admin_routes, routes, tables
from livesale.rooms.bags.draws import Draws
from livesale.rooms.bags.entries import BagEntries
from livesale.rooms.bags.events import EVENTS
from livesale.rooms.bags.keeper import BagKeeper, BagMetrics
from livesale.rooms.bags.problems import PROBLEMS
from livesale.rooms.bags.service import Bags
from livesale.rooms.bags.uses import bag_of_room
from livesale.rooms.copy import RoomCopy
from livesale.rooms.on_air import OnAir
from livesale.rooms.people.comments import Comments
from livesale.sales.drops import Drops
from livesale.sales.reservations import Reservations

feature = Feature(
    name="bags",
    routes=(*routes.ROUTES, *admin_routes.ROUTES),
    problems=PROBLEMS,
    parts={
        Draws: lambda parts: Draws(parts.deployment, parts[RoomCopy]),
        Bags: lambda parts: Bags(
            parts.deployment, parts[OnAir], parts[Drops], parts[Draws], parts[Comments]
        ),
        BagEntries: lambda parts: BagEntries(
            parts.deployment, parts[Bags], parts[Draws], parts[RoomCopy], parts[Reservations]
        ),
    },
    tables=(tables.bags, tables.bag_entries, tables.bag_prizes),
    uses={"room": bag_of_room},
    events=EVENTS,
    jobs={"bags": BagKeeper},
    metrics=(BagMetrics,),
)
