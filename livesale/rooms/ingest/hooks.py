"""Shared code of the hooks of media servers: actions and answers."""

from collections.abc import Callable

import structlog
from msgspec import Struct

from livesale.database.errors import StoreUnavailable
from livesale.errors import LivesaleError
from livesale.parts import Parts
from livesale.rooms.ingest.hook_guard import HookGuard
from livesale.rooms.ingest.metrics import INGEST_HOOKS
from livesale.rooms.ingest.service import Ingest
from livesale.rooms.ingest.streams import MAX_SESSION
from livesale.rooms.routes import ENGINE
from livesale.web.problems import Problem, problem_of
from livesale.web.routes import Answer, Call, Route
from stock.errors import StockError
from stock.ids import is_room_id

MAX_NAME = 20  # characters of a stream's name in the log

log = structlog.get_logger(__name__)

PROBLEMS = (
    "hook_refused",
    "malformed_hook",
    "publish_key_invalid",
    "unknown_room",
    "room_state",
    "room_over",
    "stream_taken",
    "stream_ended",
    *ENGINE,
    "store_unavailable",
)


class Hook(Struct, frozen=True):
    """A message of a media server. `kind` is publish, update, done or play; we accept and ignore
    any other. `session` is the media server's id of the stream or viewer."""

    kind: str
    room_id: str
    session: str
    key: str


class Accepted(Struct, frozen=True):
    """The answer that media servers expect: SRS the code, nginx any 2xx."""

    code: int = 0


def hook_route(server: str, read: Callable[[bytes], Hook], media_type: str, summary: str) -> Route:
    """The route for hooks of one kind of media server; `read` parses its messages."""

    async def take_hook(parts: Parts, call: Call) -> Answer:
        parts[HookGuard].check(call.path["hook_secret"], call.source)
        hook = read(call.raw)
        try:
            await _take(parts[Ingest], hook)
        except LivesaleError as fault:
            problem = problem_of(fault)
            answer = problem.code if problem else "internal_error"
            INGEST_HOOKS.labels(hook.kind, answer).inc()
            name = hook.room_id[:MAX_NAME]
            log.info("a hook refused a stream", hook=hook.kind, room_id=name, why=str(fault))
            raise
        INGEST_HOOKS.labels(hook.kind, "accepted").inc()
        return Answer(200, Accepted())

    take_hook.__name__ = f"take_{server}_hook"
    return Route(
        "POST",
        f"/v1/hooks/{server}/{{hook_secret}}",
        take_hook,
        summary,
        "hooks",
        {200: Accepted},
        PROBLEMS,
        signed=True,
        media_type=media_type,
        description="Any status but 200 refuses or ends the stream, or refuses the viewer.",
    )


async def _take(ingest: Ingest, hook: Hook) -> None:
    if hook.kind == "other":
        return
    if not is_room_id(hook.room_id):
        raise Problem("unknown_room", "The stream name is not a room id.")
    match hook.kind:
        case "publish":
            await ingest.publish(hook.room_id, hook.key, hook.session)
        case "update":
            try:
                await ingest.streams.update(hook.room_id, hook.session)
            except (StockError, StoreUnavailable) as fault:
                # An unavailable store must not end running streams.
                log.warning(
                    "a stream continues while livesale cannot check it", reason=type(fault).__name__
                )
        case "done":
            await ingest.streams.done(hook.room_id, hook.session)
        case "play":
            await ingest.play(hook.room_id)


def session_of(server: str, *parts: str) -> str:
    """A session's name. Raises Problem("malformed_hook")."""
    name = "|".join((server, *parts))
    if not all(parts) or len(name) > MAX_SESSION or not name.isascii() or not name.isprintable():
        raise Problem("malformed_hook", "The session is missing.")
    return name
