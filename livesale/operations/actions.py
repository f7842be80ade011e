"""GET /v1/admin/actions: actions of operators, and of hosts in their rooms."""

from typing import Annotated

from msgspec import Meta, Struct

from livesale.access.actions import Action
from livesale.action_log.store import LoggedAction, Outcome, Sought, list_actions
from livesale.database.session import session
from livesale.parts import Parts
from livesale.validation.texts import whole
from livesale.web.routes import Answer, Call, Route
from stock.model import MAX_TIME_MS


class ActionsQuery(Struct, frozen=True):
    after: Annotated[str, whole(r"^[0-9a-z]{0,15}$", description="`next` of a page")] = ""
    actor: Annotated[
        str,
        Meta(max_length=80, description="such as person|ann, operator|ci or buyer|wx-…"),
    ] = ""
    action: Annotated[
        str, Meta(max_length=80, description="such as POST /v1/admin/drops/{drop_id}/close")
    ] = ""
    request_id: Annotated[str, Meta(max_length=64)] = ""
    outcome: Outcome | None = None
    since_ms: Annotated[int, Meta(ge=0, le=MAX_TIME_MS, description="0: from the first")] = 0
    until_ms: Annotated[int, Meta(ge=0, le=MAX_TIME_MS, description="before; 0: to the last")] = 0
    object_id: Annotated[
        str, Meta(max_length=80, description="id of a drop, a room, an order …; all by default")
    ] = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


class ActionPage(Struct, frozen=True):
    """Send `next` as `after` to get the next page; null at the end."""

    actions: list[LoggedAction]
    next: str | None


async def show_actions(parts: Parts, call: Call) -> Answer:
    query: ActionsQuery = call.query or ActionsQuery()
    async with session(parts.deployment.sql) as connection:
        found = await list_actions(
            connection,
            Sought(
                actor=query.actor,
                object_id=query.object_id,
                action=query.action,
                request_id=query.request_id,
                outcome=query.outcome,
                since_ms=query.since_ms,
                until_ms=query.until_ms,
            ),
            before=query.after,
            limit=query.limit,
        )
    after = found[-1].action_id if len(found) == query.limit else None
    return Answer(200, ActionPage(found, after))


ROUTES = [
    Route(
        "GET",
        "/v1/admin/actions",
        show_actions,
        "Actions of operators, and of hosts in their rooms, the newest first",
        "admin",
        {200: ActionPage},
        ("store_unavailable",),
        auth="operator",
        action=Action.LOG_READ,
        query=ActionsQuery,
        description=(
            "Each action over HTTP or from the command line writes a row before it takes effect. "
            "`before` and `after` are JSON: the object in the form of its GET, where the action "
            "says what it changed. Kept for `keeper.keep_actions_s`."
        ),
    )
]
