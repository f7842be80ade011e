"""The feature "people" of rooms."""

from livesale.feature import Feature
from livesale.identity.profiles.service import Profiles
from livesale.rooms.channel.channels import Channels
from livesale.rooms.copy import RoomCopy
from livesale.rooms.people import routes, tables
from livesale.rooms.people.comments import Comments
from livesale.rooms.people.events import EVENTS
from livesale.rooms.people.frames import FRAMES
from livesale.rooms.people.limits import LikeLimit
from livesale.rooms.people.presence import Presence
from livesale.rooms.people.problems import PROBLEMS
from livesale.rooms.people.restrictions import Restrictions
from livesale.validation.blocked_words import BlockedWords

feature = Feature(
    name="people",
    routes=routes.ROUTES,
    problems=PROBLEMS,
    parts={
        Restrictions: lambda parts: Restrictions(
            parts.deployment, parts[RoomCopy], parts[Profiles]
        ),
        Comments: lambda parts: Comments(
            parts.deployment, parts[RoomCopy], parts[BlockedWords], parts[Profiles]
        ),
        LikeLimit: lambda parts: LikeLimit(parts.deployment.settings),
        Presence: lambda parts: Presence(
            parts.deployment, parts[RoomCopy], parts[Channels].viewers
        ),
    },
    running=(Presence,),
    tables=(tables.room_bars,),
    events=EVENTS,
    frames=FRAMES,
)
