"""GET /v1/admin/comments"""

from typing import Annotated

from msgspec import Meta, Struct

from livesale.access.actions import Action
from livesale.parts import Parts
from livesale.rooms.history.service import CommentHistory, SpokenView, folded
from livesale.rooms.history.store import Cursor, SpokenFilter
from livesale.rooms.person_ids import PERSON_ID_PATTERN
from livesale.validation.lists import Limit
from livesale.validation.texts import whole
from livesale.web.problems import Problem
from livesale.web.routes import Answer, Call, Route
from stock.model import MAX_TIME_MS

_PERSON = PERSON_ID_PATTERN.strip("^$")


class CommentsQuery(Struct, frozen=True):
    """All filters that are given must fit. `q` needs a room or a buyer."""

    room_id: Annotated[str, whole(r"^(r[0-9a-z]{1,14})?$")] = ""
    person_id: Annotated[
        str, whole(rf"^({_PERSON})?$", description="of `room_id`, which is needed with it")
    ] = ""
    buyer_id: Annotated[str, whole(r"^[A-Za-z0-9_-]{0,40}$", description="in all rooms")] = ""
    q: Annotated[
        str,
        Meta(max_length=100, description="in the text, whatever its case, width and accents"),
    ] = ""
    since_ms: Annotated[int, Meta(ge=0, le=MAX_TIME_MS)] | None = None
    until_ms: Annotated[int, Meta(ge=0, le=MAX_TIME_MS, description="before it")] | None = None
    deleted: Annotated[bool | None, Meta(description="only deleted ones, or only the others")] = (
        None
    )
    after: Annotated[
        str,
        whole(r"^([0-9]{1,13}\.r[0-9a-z]{1,14}\.[0-9]{1,15})?$", description="`next` of a page"),
    ] = ""
    limit: Limit = 50


class CommentList(Struct, frozen=True):
    """Send `next` as `after` to get the next page; null at the end."""

    comments: list[SpokenView]
    next: str | None


async def find_comments(parts: Parts, call: Call) -> Answer:
    query = call.query
    if query.person_id and not query.room_id:
        raise _wrong("person_id", "Give the room of this person, too: `room_id`.")
    if query.q and not (query.room_id or query.buyer_id):
        raise _wrong("q", "Give a room or a buyer, too.")
    words = folded(query.q)
    if query.q and not words:
        raise _wrong("q", "It needs at least one letter or digit.")
    wanted = SpokenFilter(
        query.room_id,
        query.buyer_id,
        words,
        query.since_ms,
        query.until_ms,
        query.deleted,
    )
    before: Cursor | None = None
    if query.after:
        at_ms, room_id, comment_id = query.after.split(".")
        before = int(at_ms), room_id, int(comment_id)
    found = await parts[CommentHistory].page(wanted, query.person_id, before, query.limit)
    last = found[-1] if len(found) == query.limit else None
    cursor = f"{last.at_ms}.{last.room_id}.{last.comment_id}" if last else None
    return Answer(200, CommentList(list(found), cursor))


def _wrong(name: str, detail: str) -> Problem:
    return Problem("invalid_parameter", detail, field=name, where="query")


ROUTES = [
    Route(
        "GET",
        "/v1/admin/comments",
        find_comments,
        "What was said in rooms, the newest first",
        "admin",
        {200: CommentList},
        ("unknown_member", "store_unavailable"),
        auth="operator",
        action=Action.COMMENT_READ,
        query=CommentsQuery,
        description=(
            "By room, person or buyer, text and time; deleted ones, too. A comment appears a few "
            "seconds after it was said, and is kept for `LIVESALE__LIVE__KEEP_COMMENTS_S`."
        ),
    ),
]
