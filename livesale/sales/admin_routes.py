"""/v1/admin: what operators do. Every change goes to the audit log with the operator's name."""

from typing import Annotated

from msgspec import Meta, Struct

from livesale.access.actions import Action
from livesale.catalogue.store import Drop, DropFilter
from livesale.ledger.states import DRAFT, OPENING
from livesale.line.challenges import MAX_DIFFICULTY
from livesale.parts import Parts
from livesale.sales.books import DropBooks
from livesale.sales.drafts import DropDrafts, DropEdit
from livesale.sales.drops import Adjustment, Drops, NewDrop
from livesale.validation.lists import AfterId, Limit, VersionQuery, Words, several, split
from livesale.validation.texts import prose, whole
from livesale.web.making import make
from livesale.web.problems import ENGINE_PROBLEMS
from livesale.web.routes import Answer, Call, Handler, Nothing, Route
from stock.ids import desk_id
from stock.model import MAX_TIME_MS, MAX_UNITS, DropState

_ID = r"^[0-9a-z]{0,15}$"
STATES = [DRAFT, OPENING, *DropState]


class NewAdjustment(Struct, frozen=True, forbid_unknown_fields=True):
    delta: Annotated[
        int,
        Meta(
            ge=-MAX_UNITS,
            le=MAX_UNITS,
            description="units; negative scraps; not 0",
            extra_json_schema={"not": {"const": 0}},
        ),
    ]
    reason: Annotated[str, prose(examples=["found"])]


class NewChallenge(Struct, frozen=True, forbid_unknown_fields=True):
    difficulty: Annotated[
        int,
        Meta(ge=0, le=MAX_DIFFICULTY, description="tries needed on average; 0 asks for none"),
    ]


class DropsQuery(Struct, frozen=True):
    """All filters that are given must fit."""

    q: Words = ""
    campaign_id: Annotated[str, whole(_ID)] = ""
    sku_id: Annotated[str, whole(_ID)] = ""
    room_id: Annotated[str, whole(_ID)] = ""
    states: Annotated[str, whole(several(STATES), description="draft, open and so on")] = ""
    opens_since_ms: Annotated[int, Meta(ge=0, le=MAX_TIME_MS)] | None = None
    opens_until_ms: Annotated[int, Meta(ge=0, le=MAX_TIME_MS, description="before it")] | None = (
        None
    )
    after: AfterId = ""
    limit: Limit = 50


class DropPage(Struct, frozen=True):
    """`next` goes into `after` for the page behind this one; null at the end."""

    drops: list[Drop]
    next: str | None


async def create_drop(parts: Parts, call: Call) -> Answer:
    drops = parts[Drops]
    return await make(call, "drop", lambda once: drops.create(call.body, once=once), drops.find)


async def list_drops(parts: Parts, call: Call) -> Answer:
    query, limit = call.query, call.query.limit
    wanted = DropFilter(
        query.campaign_id,
        query.sku_id,
        query.room_id,
        split(query.states),
        query.q,
        query.opens_since_ms,
        query.opens_until_ms,
    )
    found = await parts[Drops].list(query.after, limit, wanted)
    return Answer(200, DropPage(found, found[-1].drop_id if len(found) == limit else None))


async def show_terms(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[Drops].find(call.path["drop_id"]))


async def edit_drop(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[DropDrafts].edit(call.path["drop_id"], call.body))


async def remove_drop(parts: Parts, call: Call) -> Answer:
    await parts[DropDrafts].remove(call.path["drop_id"], call.query.version)
    return Answer(200, Nothing())


async def open_drop(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[Drops].open(call.path["drop_id"]))


async def pause_drop(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[Drops].pause(call.path["drop_id"]))


async def resume_drop(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[Drops].resume(call.path["drop_id"]))


async def close_drop(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[Drops].close(call.path["drop_id"]))


async def adjust_drop(parts: Parts, call: Call) -> Answer:
    drop_id, body = call.path["drop_id"], call.body
    adjust_id = call.key and desk_id(drop_id, call.operator, call.key)
    return Answer(200, await parts[Drops].adjust(drop_id, body.delta, body.reason, adjust_id))


async def set_challenge(parts: Parts, call: Call) -> Answer:
    drop_id = call.path["drop_id"]
    return Answer(200, await parts[Drops].set_challenge(drop_id, call.body.difficulty))


async def show_books(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[Drops].books(call.path["drop_id"]))


def _verb(
    verb: str,
    handler: Handler,
    summary: str,
    *problems: str,
    action: Action = Action.DROP_CHANGE,
) -> Route:
    return Route(
        "POST",
        f"/v1/admin/drops/{{drop_id}}/{verb}",
        handler,
        summary,
        "admin",
        {200: Drop},
        ("unknown_drop", *problems, *ENGINE_PROBLEMS, "store_unavailable"),
        auth="operator",
        action=action,
        body=Nothing,
        default_body=Nothing(),
        changes=True,
        description="May be repeated: the second time changes nothing and answers the same.",
    )


ROUTES = [
    Route(
        "POST",
        "/v1/admin/drops",
        create_drop,
        "Create a drop",
        "admin",
        {201: Drop, 200: Drop},
        ("unknown_drop", "idempotency_conflict", "store_unavailable"),
        auth="operator",
        action=Action.DROP_CHANGE,
        body=NewDrop,
        keyed=True,
        changes=True,
        description="With an `Idempotency-Key`, a retry makes nothing twice, and gets 200.",
    ),
    Route(
        "GET",
        "/v1/admin/drops",
        list_drops,
        "All drops, the newest first",
        "admin",
        {200: DropPage},
        ("store_unavailable",),
        auth="operator",
        action=Action.DROP_READ,
        query=DropsQuery,
    ),
    Route(
        "GET",
        "/v1/admin/drops/{drop_id}",
        show_terms,
        "A drop as it was made, with its state",
        "admin",
        {200: Drop},
        ("unknown_drop", "store_unavailable"),
        auth="operator",
        action=Action.DROP_READ,
    ),
    Route(
        "PATCH",
        "/v1/admin/drops/{drop_id}",
        edit_drop,
        "Change a draft",
        "admin",
        {200: Drop},
        (
            *("unknown_drop", "drop_opened", "terms_conflict", "version_conflict"),
            *(*ENGINE_PROBLEMS, "store_unavailable"),
        ),
        auth="operator",
        action=Action.DROP_CHANGE,
        body=DropEdit,
        changes=True,
        description="Until it is opened. A room of the drop shows the change at once.",
    ),
    Route(
        "DELETE",
        "/v1/admin/drops/{drop_id}",
        remove_drop,
        "Delete a draft",
        "admin",
        {200: Nothing},
        (
            *("unknown_drop", "drop_opened", "terms_conflict", "version_conflict", "in_use"),
            *("overloaded", "engine_refused", "books_broken", "outcome_unknown"),
            "store_unavailable",
        ),
        auth="operator",
        action=Action.DROP_CHANGE,
        query=VersionQuery,
        changes=True,
        description="Until it is opened, and as long as it belongs to no room.",
    ),
    _verb(
        "open",
        open_drop,
        "Put a drop on sale",
        *("drop_closed", "terms_conflict", "too_little_stock", "line_needs_time"),
    ),
    _verb("pause", pause_drop, "Stop new reservations", "not_opened", "drop_closed"),
    _verb("resume", resume_drop, "Sell again after a pause", "not_opened", "drop_closed"),
    _verb(
        "close",
        close_drop,
        "End the sale",
        "not_opened",
        "drop_closed",
        action=Action.DROP_CLOSE,
    ),
    Route(
        "POST",
        "/v1/admin/drops/{drop_id}/adjust",
        adjust_drop,
        "Restock, or scrap what is available",
        "admin",
        {200: Adjustment},
        (
            "unknown_drop",
            "not_opened",
            "drop_closed",
            "too_few",
            "too_many",
            "too_little_stock",
            "idempotency_conflict",
            *ENGINE_PROBLEMS,
            "store_unavailable",
        ),
        auth="operator",
        action=Action.DROP_ADJUST,
        body=NewAdjustment,
        keyed=True,
        changes=True,
        description="With an `Idempotency-Key`, a retry does not adjust twice.",
    ),
    Route(
        "POST",
        "/v1/admin/drops/{drop_id}/challenge",
        set_challenge,
        "Ask for a proof of work before a ticket, or no longer",
        "admin",
        {200: Drop},
        ("unknown_drop", "no_tickets", "store_unavailable"),
        auth="operator",
        action=Action.DROP_CHANGE,
        body=NewChallenge,
        changes=True,
        description="At any time, also during the sale: every worker knows within a second.",
    ),
    Route(
        "GET",
        "/v1/admin/drops/{drop_id}/books",
        show_books,
        "Both sides of the books, compared",
        "admin",
        {200: DropBooks},
        (
            *("unknown_drop", "overloaded", "engine_refused"),
            *("books_broken", "log_too_new", "store_unavailable"),
        ),
        auth="operator",
        action=Action.BOOKS_READ,
        description=(
            "`ok`: what SQL holds, with the `lag_entries` of the log that it does not hold yet, "
            "is exactly what Redis has."
        ),
    ),
]
