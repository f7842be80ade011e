"""POST /v1/admin/campaigns"""

from livesale.access.actions import Action
from livesale.catalogue.service import Campaigns, NewCampaign
from livesale.catalogue.store import Campaign
from livesale.parts import Parts
from livesale.web.routes import Answer, Call, Route


async def create_campaign(parts: Parts, call: Call) -> Answer:
    return Answer(201, await parts[Campaigns].create(call.body))


ROUTES = [
    Route(
        "POST",
        "/v1/admin/campaigns",
        create_campaign,
        "Create a campaign",
        "admin",
        {201: Campaign},
        ("store_unavailable",),
        auth="operator",
        action=Action.CAMPAIGN_CHANGE,
        body=NewCampaign,
        changes=True,
    ),
]
