"""/v1/admin/curves, /v1/admin/results, /v1/admin/exports/results"""

from typing import Annotated

from msgspec import Meta, Struct

from livesale.access.actions import Action
from livesale.parts import Parts
from livesale.results.service import MAX_POINTS, DropCurve, Results, SaleResults
from livesale.results.table import Language, write_results
from livesale.spreadsheets.writing import CONTENT_TYPE, file_headers
from livesale.validation.lists import split
from livesale.validation.texts import whole
from livesale.web.problems import Problem
from livesale.web.routes import Answer, Call, Route
from stock.model import MAX_TIME_MS

MAX_CURVES = 50


class CurvesQuery(Struct, frozen=True):
    drop_ids: Annotated[
        str,
        whole(
            r"^([0-9a-z]{1,15}(,[0-9a-z]{1,15}){0,49})?$",
            description="up to 50, with commas between",
        ),
    ] = ""
    since_ms: Annotated[int, Meta(ge=0, le=MAX_TIME_MS)] = 0
    until_ms: Annotated[int, Meta(ge=1, le=MAX_TIME_MS, description="now by default")] | None = None
    points: Annotated[int, Meta(ge=2, le=MAX_POINTS, description="at most so many steps")] = 240


class DropCurves(Struct, frozen=True):
    curves: list[DropCurve]


class ResultsQuery(Struct, frozen=True):
    """A campaign or a room: one of the two."""

    campaign_id: Annotated[str, whole(r"^[0-9a-z]{0,15}$")] = ""
    room_id: Annotated[str, whole(r"^(r[0-9a-z]{1,14})?$")] = ""


class ResultsFileQuery(ResultsQuery, frozen=True):
    language: Language = "en"


async def show_curves(parts: Parts, call: Call) -> Answer:
    query: CurvesQuery = call.query
    found = await parts[SaleResults].curves(
        split(query.drop_ids), query.since_ms, query.until_ms, query.points
    )
    return Answer(200, DropCurves(found))


async def show_results(parts: Parts, call: Call) -> Answer:
    return Answer(200, await _find(parts, call.query))


async def export_results(parts: Parts, call: Call) -> Answer:
    query: ResultsFileQuery = call.query
    raw = write_results(await _find(parts, query), query.language)
    name = f"results-{query.campaign_id or query.room_id}.csv"
    return Answer(200, raw, CONTENT_TYPE, file_headers(name))


async def _find(parts: Parts, query: ResultsQuery) -> Results:
    if bool(query.campaign_id) == bool(query.room_id):
        raise Problem(
            "invalid_parameter",
            "Give a campaign or a room: one of the two.",
            field="campaign_id",
            where="query",
        )
    return await parts[SaleResults].of(campaign_id=query.campaign_id, room_id=query.room_id)


_REFUSALS = ("unknown_campaign", "unknown_room", "invalid_parameter", "store_unavailable")

ROUTES = [
    Route(
        "GET",
        "/v1/admin/curves",
        show_curves,
        "Units of drops in time, from SQL",
        "admin",
        {200: DropCurves},
        ("invalid_field", "store_unavailable"),
        auth="operator",
        action=Action.DROP_READ,
        query=CurvesQuery,
        description=(
            "Made backwards from the books, so the last point is what they say. At most 5 s old. "
            "Ids that nothing has are left out."
        ),
    ),
    Route(
        "GET",
        "/v1/admin/results",
        show_results,
        "What a campaign or a room sold",
        "admin",
        {200: Results},
        _REFUSALS,
        auth="operator",
        action=Action.ORDER_READ,
        query=ResultsQuery,
        description="At most 5 s old. Exact for the part of the log that is in SQL.",
    ),
    Route(
        "GET",
        "/v1/admin/exports/results",
        export_results,
        "What a campaign or a room sold, as csv",
        "admin",
        {200: bytes},
        _REFUSALS,
        auth="operator",
        action=Action.ORDER_READ,
        query=ResultsFileQuery,
        content_type=CONTENT_TYPE,
        description="A row for each drop, and a row of sums.",
    ),
]
