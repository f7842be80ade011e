"""GET /v1/campaigns, GET /v1/campaigns/{campaign_id}"""

from typing import Annotated

from msgspec import Meta, Struct

from livesale.http.routes import Answer, Call, Route
from livesale.http.services import Services
from livesale.sales.showcase import CampaignPage, CampaignWithDrops
from livesale.sales.texts import whole


class CampaignsQuery(Struct, frozen=True):
    after: Annotated[
        str, whole(r"^([0-9]{1,13}\.[0-9a-z]{1,15})?$", description="`next` of a page")
    ] = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


async def list_campaigns(services: Services, call: Call) -> Answer:
    return Answer(200, await services.showcase.campaigns(call.query.after, call.query.limit))


async def show_campaign(services: Services, call: Call) -> Answer:
    return Answer(200, await services.showcase.campaign(call.path["campaign_id"]))


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
        description="What is left may lag by 200 ms.",
    ),
]
