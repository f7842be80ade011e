"""What a route is. The table of them makes both aiohttp's routes and the OpenAPI document."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, Protocol, get_args

from msgspec import Struct, field
from multidict import MultiMapping

from livesale.access.actions import Action
from livesale.parts import Parts
from livesale.settings import Settings
from livesale.tokens.apps import App
from livesale.tokens.signing import Buyer, Operator

JSON = "application/json"

LOGINS = ("/v1/sessions", "/v1/operator/session")

Auth = Literal["buyer", "operator", "member"]


class Upgrade(Protocol):
    """Takes a connection from aiohttp, for good, and answers the handshake by itself."""

    def __call__(self, connection: Any, request_id: str, site: str) -> None: ...


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """An empty object, or no body at all."""


class Call(Struct, gc=False):
    """A request that has been checked: who asks, and what for."""

    path: Mapping[str, str]
    query: Any = None
    body: Any = None
    caller: Buyer | Operator | None = None
    key: str | None = None  # the Idempotency-Key
    raw: bytes = b""  # the body as it came, and
    headers: MultiMapping[str] | None = None  # the headers: for a route that is `signed`
    source: str = ""  # the address that sent it, and
    request_id: str = ""  # for a route that reads headers
    keys: tuple[str, ...] = ()  # what that address is counted by, for a route that upgrades

    @property
    def asked(self) -> Mapping[str, str]:
        """The headers, for a route that reads them."""
        assert self.headers is not None  # noqa: S101  the route says so
        return self.headers

    @property
    def buyer_id(self) -> str:
        assert isinstance(self.caller, Buyer)  # noqa: S101  the route asks for a buyer's token
        return self.caller.buyer_id

    @property
    def app(self) -> App:
        """The app that the buyer logged in by."""
        assert isinstance(self.caller, Buyer)  # noqa: S101  the route asks for a buyer's token
        return self.caller.app

    @property
    def operator(self) -> str:
        assert isinstance(self.caller, Operator)  # noqa: S101  the route asks for an operator's
        return self.caller.name

    @property
    def name(self) -> str:
        """Who asks, of whichever kind: no two have the same."""
        if isinstance(self.caller, Buyer):
            return f"buyer|{self.caller.buyer_id}"
        assert isinstance(self.caller, Operator)  # noqa: S101  the route asks for an operator
        kind = "person" if self.caller.session_id else "operator"
        return f"{kind}|{self.caller.name}"


class Answer(Struct, gc=False):
    """`value` is encoded as JSON, unless it is bytes already.

    `rid` names the reservation that this answer made: the log ties it to the request.
    """

    status: int
    value: Any
    content_type: str = JSON
    headers: Mapping[str, str] | None = None
    rid: str | None = None
    upgrade: Upgrade | None = None  # with 101: who takes the connection over


Handler = Callable[[Parts, Call], Awaitable[Answer]]


class Route(Struct, frozen=True):
    """One operation.

    `auth` is buyer, operator, member (a buyer or an operator: the room knows which buyers may), or
    nothing. `action` says which operators may: `livesale.access.actions`. Each route for operators
    has one, and no other route: else it cannot be made. `answers` maps a status to the type of its
    body.
    `problems` are the codes that are this route's own; those of its checks are added by
    `livesale.web.openapi`. `limited`: counts for its address.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    tag: str
    answers: Mapping[int, type]
    problems: tuple[str, ...] = ()
    auth: Auth | None = None
    action: Action | None = None
    query: type[Struct] | None = None
    any_query: bool = False  # a page for people: WeChat and others add to its address
    body: type[Struct] | None = None
    default_body: Any = None  # what an empty body means; None: it is refused
    keyed: bool = False  # takes an Idempotency-Key
    limited: bool = True
    content_type: str = JSON
    description: str = ""
    media_type: str = JSON  # of a body that is `signed`
    files: tuple[str, ...] = ()  # media types of the one file that it takes: `Call.raw`
    max_bytes: Callable[[Settings], int] | None = None  # of a body; None: as the settings say
    signed: bool = False  # verifies the body as it came by itself: it is not read as JSON before
    reads_headers: bool = False
    upgrades: bool = False  # to a WebSocket: gets the headers, answers 101 by itself
    changes: bool = field(default=False)  # by an operator: goes to the audit log
    hides: tuple[str, ...] = ()  # members of the body that no log may have
    alias_of: str = ""  # the method that it is another way to send: see `livesale.feature`

    def __post_init__(self) -> None:
        """Raises ValueError for a route that does not say who may call it."""
        named = f"{self.method} {self.path}"
        if self.auth not in (None, *get_args(Auth)):
            raise ValueError(f"{named}: auth is one of {get_args(Auth)}, not {self.auth!r}")
        if self.path.startswith("/v1/admin/") and self.auth != "operator":
            raise ValueError(f"{named}: what is under /v1/admin/ is for operators")
        if (self.action is not None) != (self.auth in ("operator", "member")):
            raise ValueError(f"{named}: a route for operators, and no other, names its action")

    @property
    def reads_bytes(self) -> bool:
        """Whether it takes the body as it came."""
        return self.signed or bool(self.files)

    @property
    def for_strangers(self) -> bool:
        """Whether anybody may ask, so that its SQL has a share of its own. Not so what banks and
        media servers tell: they are believed by a signature or a secret."""
        reads = self.method == "GET" or self.path in LOGINS
        return self.auth is None and self.limited and not self.signed and reads


class PathParameter(Struct, frozen=True):
    """An id in a path. `unknown` is the problem of one that names nothing."""

    pattern: str
    unknown: str
    description: str


# Every parameter that is declared, by name.
PATH_PARAMETERS: dict[str, PathParameter] = {}


def declare_path_parameters(**parameters: PathParameter) -> None:
    """Parameters of the paths of a feature. Raises ValueError for a name that is taken."""
    for name, parameter in parameters.items():
        if PATH_PARAMETERS.setdefault(name, parameter) != parameter:
            raise ValueError(f"two path parameters with the name {name!r}")
