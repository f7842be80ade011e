"""The feature "numbers" of rooms."""

from livesale.feature import Feature
from livesale.rooms.copy import RoomCopy
from livesale.rooms.numbers import routes, tables
from livesale.rooms.numbers.stats import Stats
from livesale.rooms.numbers.visits import Visits

feature = Feature(
    name="numbers",
    routes=routes.ROUTES,
    parts={
        Stats: lambda parts: Stats(parts.deployment),
        Visits: lambda parts: Visits(parts.deployment, parts[RoomCopy]),
    },
    running=(Visits,),
    tables=(tables.room_tallies, tables.room_minutes, tables.room_records),
)
