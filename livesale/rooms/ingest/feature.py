"""What streams of rooms bring to livesale."""

from livesale.feature import Feature
from livesale.rooms.ingest import nginx, routes, srs, tables
from livesale.rooms.ingest.gate import Gate
from livesale.rooms.ingest.playback import Screens
from livesale.rooms.ingest.problems import PROBLEMS
from livesale.rooms.ingest.publish_keys import PublishKeys
from livesale.rooms.ingest.service import Ingest
from livesale.rooms.ingest.streams import Streams
from livesale.rooms.life import Life
from livesale.rooms.service import Rooms
from livesale.tokens.keyring import Keyring

feature = Feature(
    name="ingest",
    routes=(*routes.ROUTES, *nginx.ROUTES, *srs.ROUTES),
    problems=PROBLEMS,
    parts={
        Streams: lambda parts: Streams(parts.deployment, parts[Life]),
        Ingest: lambda parts: Ingest(
            parts.deployment, PublishKeys(parts[Keyring]), parts[Streams], parts[Rooms]
        ),
        Gate: lambda parts: Gate(parts.deployment.settings.ingest),
        Screens: lambda parts: Screens(parts.deployment.settings.ingest),
    },
    tables=(tables.room_streams,),
)
