"""GET /v1/admin/actions: actions of operators, and of hosts in their rooms."""

from typing import Annotated

from msgspec import Meta, Struct

from livesale.access.actions import Action
from livesale.action_log.store import LoggedAction, list_actions
from livesale.database.session import session
from livesale.parts import Parts
from livesale.validation.texts import whole
from livesale.web.routes import Answer, Call, Route


class ActionsQuery(Struct, frozen=True):
    after: Annotated[str, whole(r"^[0-9a-z]{0,15}$", description="`next` of a page")] = ""
    actor: Annotated[
        str, Meta(max_length=80, description="such as operator|ann or buyer|wx-…; all by default")
    ] = ""
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
            before=query.after,
            limit=query.limit,
            actor=query.actor,
            object_id=query.object_id,
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
            "Kept for `keeper.keep_actions_s`."
        ),
    )
]
