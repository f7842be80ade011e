"""An operator's socket: that of a room, with a check once a second whether it may go on."""

from livesale.access.actions import Action
from livesale.database.errors import StoreUnavailable
from livesale.rooms.channel.frames import Frames
from livesale.rooms.channel.greetings import Ping, on_ping
from livesale.rooms.channel.hub import Hub
from livesale.rooms.channel.socket import Socket, Source
from livesale.rooms.members import RoomRole
from livesale.tokens.errors import SessionEnded
from livesale.tokens.signing import Operator, wall_clock_ms
from livesale.web.sessions import OperatorSessions

FRAMES = Frames({Ping: on_ping})


class OperatorSocket(Socket):
    """`cookie` is that of a person's session; without it the bearer's token says how long."""

    __slots__ = ("_cookie", "_operator", "_sessions")

    def __init__(
        self,
        hub: Hub,
        cockpit: Source,
        operator: Operator,
        cookie: str | None,
        sessions: OperatorSessions,
    ) -> None:
        super().__init__(hub, cockpit, 0, operator, RoomRole.OPERATOR)
        self._operator = operator
        self._cookie = cookie
        self._sessions = sessions

    @property
    def frames(self) -> Frames:
        return FRAMES

    async def check(self) -> None:
        """Close it if the session or token has ended, or the role may no longer see this.

        While SQL is away nobody can end a session: then it goes on until its own end.
        """
        try:
            if self._cookie is not None:
                self._operator = await self._sessions.find(self._cookie)
        except StoreUnavailable:
            pass
        except SessionEnded:
            self.leave("unauthenticated")
            return
        if self._operator.expires_ms <= wall_clock_ms():
            self.leave("unauthenticated")
        elif not self._operator.may(Action.COCKPIT_READ):
            self.leave("forbidden")
