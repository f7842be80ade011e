"""/v1/admin/launch"""

from typing import Annotated

from msgspec import Meta, Struct

from livesale.access.actions import Action
from livesale.launch.launches import MAX_DROPS, Launch, Launches
from livesale.launch.lights import LaunchList
from livesale.parts import Parts
from livesale.sales.drops import Id
from livesale.validation.texts import prose, whole
from livesale.web.problems import ENGINE_PROBLEMS
from livesale.web.routes import Answer, Call, Route


class LaunchQuery(Struct, frozen=True):
    campaign_id: Annotated[str, whole(r"^[0-9a-z]{0,15}$", description="whose drops to check")] = ""
    room_id: Annotated[
        str, whole(r"^(r[0-9a-z]{1,14})?$", description="whose stream and reminders to check")
    ] = ""


class NewLaunch(Struct, frozen=True, forbid_unknown_fields=True):
    """`override_reason` opens although lights are red; while none is, it has no effect."""

    drop_ids: Annotated[list[Id], Meta(min_length=1, max_length=MAX_DROPS)]
    override_reason: Annotated[str, prose(examples=["The writer is back in a minute"])] | None = (
        None
    )


async def show_launch(parts: Parts, call: Call) -> Answer:
    query = call.query
    return Answer(200, await parts[Launches].check(query.campaign_id, query.room_id))


async def launch(parts: Parts, call: Call) -> Answer:
    body: NewLaunch = call.body
    return Answer(200, await parts[Launches].launch(body.drop_ids, body.override_reason or ""))


ROUTES = [
    Route(
        "GET",
        "/v1/admin/launch",
        show_launch,
        "The go/no-go list, as it is now",
        "admin",
        {200: LaunchList},
        (),
        auth="operator",
        action=Action.DROP_READ,
        query=LaunchQuery,
        description=(
            "Without a campaign and a room: what every sale needs. At most 0.2 s old. "
            "A check that fails, or takes longer than 1.5 s, is red. A writer "
            "that is killed is red within 1.4 s."
        ),
    ),
    Route(
        "POST",
        "/v1/admin/launch",
        launch,
        "Open or schedule drops, if nothing is red",
        "admin",
        {200: Launch},
        (
            *("no_go", "unknown_drop", "drop_closed", "terms_conflict", "line_needs_time"),
            *(*ENGINE_PROBLEMS, "store_unavailable"),
        ),
        auth="operator",
        action=Action.DROP_CHANGE,
        body=NewLaunch,
        changes=True,
        description=(
            "Each drop sells from its `opens_ms` on. The answer says for each what became of it. "
            "May be repeated: what is open already stays as it is."
        ),
    ),
]
