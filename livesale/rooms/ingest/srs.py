"""POST /v1/hooks/srs/{hook_secret}: the hooks of SRS, which sends JSON.

SRS has no hook for a running stream; we use `on_hls`, which it sends for each segment. SRS obeys
only the answers to `on_publish` and `on_play`.
"""

from urllib.parse import parse_qs

import msgspec
from msgspec import Struct

from livesale.rooms.ingest.hooks import Hook, hook_route, session_of
from livesale.web.problems import Problem
from livesale.web.routes import JSON

MAX_FIELDS = 50

_KINDS = {
    "on_publish": "publish",
    "on_hls": "update",
    "on_unpublish": "done",
    "on_play": "play",
}


class _Message(Struct, frozen=True):
    """The fields of a message that we read; `param` is the query, from the `?` on."""

    action: str
    client_id: str | int
    server_id: str = "-"
    stream: str = ""
    param: str = ""


_read = msgspec.json.Decoder(_Message).decode


def read_message(raw: bytes) -> Hook:
    """Raises Problem("malformed_hook")."""
    try:
        message = _read(raw)
        found = parse_qs(message.param.removeprefix("?"), max_num_fields=MAX_FIELDS)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Problem("malformed_hook", type(error).__name__) from None
    kind = _KINDS.get(message.action, "other")
    if kind == "other":
        return Hook(kind, "", "", "")
    session = session_of("srs", message.server_id, str(message.client_id))
    keys = found.get("key", [""])
    if len(keys) > 1:
        raise Problem("malformed_hook", "`key` is given more than once.")
    return Hook(kind, message.stream, session, keys[0])


ROUTES = [hook_route("srs", read_message, JSON, "A hook of SRS")]
