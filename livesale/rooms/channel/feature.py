"""The feature "channel": sockets and events of rooms."""

from livesale.feature import Feature
from livesale.rooms.channel import handshake, hosting, routes
from livesale.rooms.channel.channels import Channels
from livesale.rooms.channel.frames import Frames
from livesale.rooms.channel.greetings import FRAMES
from livesale.rooms.channel.hosts import HostSockets
from livesale.rooms.channel.hub import Hub
from livesale.rooms.channel.metrics import ROOM_ROUND_S
from livesale.rooms.channel.problems import PROBLEMS
from livesale.rooms.channel.socket import frame_of
from livesale.rooms.copy import RoomCopy
from livesale.rooms.lifecycle import RoomLifecycle
from livesale.rooms.people.restrictions import Restrictions
from livesale.tokens.signing import TokenSigner


def _note_round(_listeners: int, seconds: float) -> None:
    ROOM_ROUND_S.observe(seconds)


feature = Feature(
    name="channel",
    routes=(*handshake.ROUTES, *hosting.ROUTES, *routes.ROUTES),
    problems=PROBLEMS,
    parts={
        Channels: lambda parts: Channels(
            parts.deployment, parts[RoomCopy], frame_of, _note_round, parts[Restrictions].look_again
        ),
        HostSockets: lambda parts: HostSockets(
            parts.deployment, parts[RoomLifecycle], parts[TokenSigner]
        ),
        Hub: lambda parts: Hub(parts.deployment.settings, parts[Frames], parts),
    },
    running=(Channels, Hub, HostSockets),
    frames=FRAMES,
)
