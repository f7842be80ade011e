"""POST /v1/admin/skus, POST /v1/admin/campaigns"""

from msgspec import Struct

from livesale.access.actions import Action
from livesale.catalogue.service import Campaigns, NewCampaign, NewSku
from livesale.catalogue.store import Campaign, Sku
from livesale.parts import Parts
from livesale.web.routes import Answer, Call, Handler, Route


async def create_sku(parts: Parts, call: Call) -> Answer:
    return Answer(201, await parts[Campaigns].create_sku(call.body))


async def create_campaign(parts: Parts, call: Call) -> Answer:
    return Answer(201, await parts[Campaigns].create(call.body))


def _create(
    plural: str,
    summary: str,
    handler: Handler,
    body: type[Struct],
    made: type[Struct],
    action: Action,
) -> Route:
    return Route(
        "POST",
        f"/v1/admin/{plural}",
        handler,
        summary,
        "admin",
        {201: made},
        ("store_unavailable",),
        auth="operator",
        action=action,
        body=body,
        changes=True,
    )


ROUTES = [
    _create("skus", "Create a SKU", create_sku, NewSku, Sku, Action.GOODS_CHANGE),
    _create(
        "campaigns",
        "Create a campaign",
        create_campaign,
        NewCampaign,
        Campaign,
        Action.CAMPAIGN_CHANGE,
    ),
]
