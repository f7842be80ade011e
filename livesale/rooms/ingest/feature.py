"""The feature "ingest": streams of rooms."""

from livesale.feature import Feature
from livesale.rooms.ingest import nginx, routes, srs, tables
from livesale.rooms.ingest.hook_guard import HookGuard
from livesale.rooms.ingest.playback import PlaybackUrls
from livesale.rooms.ingest.problems import PROBLEMS
from livesale.rooms.ingest.publish_keys import PublishKeys
from livesale.rooms.ingest.service import Ingest
from livesale.rooms.ingest.streams import Streams
from livesale.rooms.lifecycle import RoomLifecycle
from livesale.rooms.service import Rooms
from livesale.tokens.keyring import Keyring

feature = Feature(
    name="ingest",
    routes=(*routes.ROUTES, *nginx.ROUTES, *srs.ROUTES),
    problems=PROBLEMS,
    parts={
        Streams: lambda parts: Streams(parts.deployment, parts[RoomLifecycle]),
        Ingest: lambda parts: Ingest(
            parts.deployment, PublishKeys(parts[Keyring]), parts[Streams], parts[Rooms]
        ),
        HookGuard: lambda parts: HookGuard(parts.deployment.settings.ingest),
        PlaybackUrls: lambda parts: PlaybackUrls(parts.deployment.settings.ingest),
    },
    tables=(tables.room_streams,),
)
