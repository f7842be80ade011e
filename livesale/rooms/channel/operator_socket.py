"""An operator's socket: like a viewer's, with a check once a second whether it may go on."""

from livesale.access.actions import Action
from livesale.database.errors import StoreUnavailable
from livesale.parts import Parts
from livesale.rooms.channel.frames import Frames
from livesale.rooms.channel.greetings import Ping, on_ping
from livesale.rooms.channel.hub import Hub
from livesale.rooms.channel.socket import Socket, Source
from livesale.rooms.members import RoomRole
from livesale.tokens.errors import SessionEnded
from livesale.tokens.signing import Operator, wall_clock_ms
from livesale.web.headers import Headers
from livesale.web.sessions import Cookies, OperatorSessions, check_origin

FRAMES = Frames({Ping: on_ping})


def cookie_of(parts: Parts, operator: Operator, headers: Headers) -> str | None:
    """The cookie that a page opens a socket with; None for a program with a token.

    Raises Problem (csrf_failed) for a page that is not ours.
    """
    if not operator.session_id:
        return None
    check_origin(headers)
    return parts[Cookies].read(headers)


class OperatorSocket(Socket):
    """`cookie` is that of a person's session; without it the bearer's token says how long.
    `action` is what the operator must be allowed to do, from the first second to the last."""

    __slots__ = ("_action", "_cookie", "_operator", "_sessions")

    def __init__(
        self,
        hub: Hub,
        source: Source,
        place: int,
        operator: Operator,
        cookie: str | None,
        sessions: OperatorSessions,
        action: Action,
        role: RoomRole = RoomRole.OPERATOR,
    ) -> None:
        super().__init__(hub, source, place, operator, role)
        self._operator = operator
        self._cookie = cookie
        self._sessions = sessions
        self._action = action

    @property
    def frames(self) -> Frames:
        return FRAMES

    async def check(self) -> None:
        """Close it if the session or token has ended, or the role may no longer do this.

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
        elif not self._operator.may(self._action):
            self.leave("forbidden")
