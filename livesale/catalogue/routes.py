"""GET /v1/campaigns, GET /v1/campaigns/{campaign_id}"""

from typing import Annotated

from msgspec import Meta, Struct

from livesale.catalogue.view import CampaignPage, CampaignWithDrops, CatalogueView
from livesale.parts import Parts
from livesale.validation.texts import whole
from livesale.web.routes import Answer, Call, PathParameter, Route, declare_path_parameters
from stock.ids import DROP_ID_PATTERN


class CampaignsQuery(Struct, frozen=True):
    after: Annotated[
        str, whole(r"^([0-9]{1,13}\.[0-9a-z]{1,15})?$", description="`next` of a page")
    ] = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


async def list_campaigns(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[CatalogueView].campaigns(call.query.after, call.query.limit))


async def show_campaign(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[CatalogueView].campaign(call.path["campaign_id"]))


declare_path_parameters(
    campaign_id=PathParameter(DROP_ID_PATTERN, "unknown_campaign", "A campaign's id"),
)

ROUTES = [
    Route(
        "GET",
        "/v1/campaigns",
        list_campaigns,
        "Campaigns that are not over",
        "campaigns",
        {200: CampaignPage},
        ("store_unavailable",),
        query=CampaignsQuery,
    ),
    Route(
        "GET",
        "/v1/campaigns/{campaign_id}",
        show_campaign,
        "A campaign with its drops",
        "campaigns",
        {200: CampaignWithDrops},
        ("unknown_campaign", "store_unavailable", "overloaded", "books_broken", "engine_refused"),
        description="`remaining` may be 200 ms old.",
    ),
]
