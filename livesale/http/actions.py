"""GET /v1/admin/actions: what operators did, and hosts in their rooms."""

from typing import Annotated

from msgspec import Meta, Struct

from livesale.http.routes import Answer, Call, Route
from livesale.http.services import Services
from livesale.sales.texts import whole
from livesale.store.actions import Action, Outcome, list_actions
from livesale.store.session import session


class ActionsQuery(Struct, frozen=True):
    after: Annotated[str, whole(r"^[0-9a-z]{0,15}$", description="`next` of a page")] = ""
    actor: Annotated[
        str, Meta(max_length=80, description="such as operator|ann or buyer|wx-…; all by default")
    ] = ""
    object_id: Annotated[
        str, Meta(max_length=80, description="of a drop, a room, an order …; all by default")
    ] = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


class ShownAction(Struct, frozen=True):
    """`actor` is operator|NAME, buyer|ID for those who run a room, or cli|USER@MACHINE. `asked` is
    JSON, cut after 4,000 characters. `outcome`: `begun` and `applied` (SQL has an effect) are under
    way, or were cut; `done`; `refused`, which changed nothing; `failed`, which may have changed
    something. `code` is the problem's, or the status of the answer."""

    action_id: str
    at_ms: int
    actor: str
    action: str
    object_id: str
    asked: str
    request_id: str
    outcome: Outcome
    code: str
    ended_ms: int | None


class ActionPage(Struct, frozen=True):
    """`next` goes into `after` for the page behind this one; null at the end."""

    actions: list[ShownAction]
    next: str | None


async def show_actions(services: Services, call: Call) -> Answer:
    query: ActionsQuery = call.query or ActionsQuery()
    async with session(services.deployment.sql) as connection:
        found = await list_actions(
            connection,
            before=query.after,
            limit=query.limit,
            actor=query.actor,
            object_id=query.object_id,
        )
    after = found[-1].action_id if len(found) == query.limit else None
    return Answer(200, ActionPage([_shown(action) for action in found], after))


def _shown(action: Action) -> ShownAction:
    return ShownAction(
        action.action_id,
        action.at_ms,
        action.actor,
        action.action,
        action.object_id,
        action.asked,
        action.request_id,
        Outcome(action.outcome),
        action.code,
        action.ended_ms,
    )


ROUTES = [
    Route(
        "GET",
        "/v1/admin/actions",
        show_actions,
        "What operators did, and hosts in their rooms, the newest first",
        "admin",
        {200: ActionPage},
        ("store_unavailable",),
        auth="viewer",
        query=ActionsQuery,
        description=(
            "Whatever the log level: a row is written before anything is done, over HTTP and from "
            "the command line. Kept for `keeper.keep_actions_s`."
        ),
    )
]
