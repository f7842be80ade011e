"""GET /v1/admin/quarantine"""

from typing import Annotated

from msgspec import Meta, Struct

from livesale.access.actions import Action
from livesale.database.session import session
from livesale.ledger import quarantine
from livesale.operations.quarantine.places import parse_place
from livesale.parts import Parts
from livesale.validation.texts import whole
from livesale.web.routes import Answer, Call, Route


class QuarantineQuery(Struct, frozen=True):
    after: Annotated[
        str, whole(r"^([0-9]{1,2}:[0-9]{1,20}-[0-9]{1,20})?$", description="`next` of a page")
    ] = ""
    limit: Annotated[int, Meta(ge=1, le=20)] = 20  # a row may be 8 MB


class QuarantinedEntry(Struct, frozen=True):
    """An entry of the log that is not in SQL. `entry` names it for `livesale quarantine`."""

    entry: str
    reason: str
    created_ms: int


class QuarantinePage(Struct, frozen=True):
    """Send `next` as `after` to get the next page; null at the end."""

    entries: list[QuarantinedEntry]
    next: str | None


async def list_quarantine(parts: Parts, call: Call) -> Answer:
    query: QuarantineQuery = call.query
    after = (-1, "")
    if query.after:
        place = parse_place(query.after)
        after = (place.partition, place.log_id)
    async with session(parts.deployment.sql) as connection:
        rows = await quarantine.page(connection, after, count=query.limit)
    found = [
        QuarantinedEntry(f"{row.partition}:{row.log_id}", row.reason, row.created_ms)
        for row in rows
    ]
    return Answer(
        200, QuarantinePage(found, found[-1].entry if len(found) == query.limit else None)
    )


ROUTES = [
    Route(
        "GET",
        "/v1/admin/quarantine",
        list_quarantine,
        "Log entries in quarantine",
        "operations",
        {200: QuarantinePage},
        ("store_unavailable",),
        auth="operator",
        action=Action.CHECK_READ,
        query=QuarantineQuery,
        description="`livesale quarantine replay` and `dismiss` decide what becomes of each.",
    ),
]
