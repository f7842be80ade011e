"""The feature "people" of rooms."""

from livesale.feature import Feature
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
from livesale.rooms.people.words import load_words, words_file

feature = Feature(
    name="people",
    routes=routes.ROUTES,
    problems=PROBLEMS,
    parts={
        Restrictions: lambda parts: Restrictions(parts.deployment, parts[RoomCopy]),
        Comments: lambda parts: Comments(
            parts.deployment, parts[RoomCopy], load_words(words_file(parts.deployment.settings))
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
