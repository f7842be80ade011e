"""The feature "history" of rooms."""

from livesale.feature import Feature
from livesale.rooms.history import routes, tables
from livesale.rooms.history.keeper import CommentKeeper
from livesale.rooms.history.service import CommentHistory
from livesale.rooms.person_ids import PersonIds

feature = Feature(
    name="history",
    routes=routes.ROUTES,
    parts={CommentHistory: lambda parts: CommentHistory(parts.deployment, parts[PersonIds])},
    tables=(tables.room_comments,),
    jobs={"comments": CommentKeeper},
)
