"""POST /v1/hooks/nginx/{hook_secret}: the hooks of nginx with its RTMP module.

nginx sends forms: its own fields, mixed with the unchanged query arguments of the publisher or
viewer. So if one of its own fields appears twice, one of the two is forged.
"""

from collections import Counter
from urllib.parse import parse_qsl

from livesale.rooms.ingest.hooks import Hook, hook_route, session_of
from livesale.web.problems import Problem

FORM = "application/x-www-form-urlencoded"
MAX_FIELDS = 50

_KINDS = {
    "publish": "publish",
    "update_publish": "update",
    "publish_done": "done",
    "play": "play",
    "update_play": "play",
}
_ONCE = ("call", "name", "clientid", "addr", "key")


def read_form(raw: bytes) -> Hook:
    """Raises Problem("malformed_hook")."""
    try:
        fields = parse_qsl(raw.decode(), max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError as error:
        raise Problem("malformed_hook", type(error).__name__) from None
    counts = Counter(name for name, _ in fields)
    for name in _ONCE:
        if counts[name] > 1:
            raise Problem("malformed_hook", f"`{name}` is given more than once.")
    found = dict(fields)
    call = found.get("call", "")
    if not call:
        raise Problem("malformed_hook", "The name of the event is missing.")
    kind = _KINDS.get(call, "other")
    if kind == "other":
        return Hook(kind, "", "", "")
    session = session_of("nginx", found.get("addr", ""), found.get("clientid", ""))
    return Hook(kind, found.get("name", ""), session, found.get("key", ""))


ROUTES = [hook_route("nginx", read_form, FORM, "A hook of nginx with its RTMP module")]
