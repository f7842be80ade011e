"""/v1/admin/campaigns"""

from typing import Annotated

from msgspec import Struct

from livesale.access.actions import Action
from livesale.catalogue.campaign_list import CampaignTime
from livesale.catalogue.service import (
    CampaignEdit,
    Campaigns,
    CountedCampaign,
    NewCampaign,
)
from livesale.catalogue.store import Campaign
from livesale.parts import Parts
from livesale.validation.lists import AfterId, Limit, VersionQuery, Words, several, split
from livesale.validation.texts import whole
from livesale.web.making import make
from livesale.web.routes import Answer, Call, Nothing, Route


class CampaignFilter(Struct, frozen=True):
    """All filters that are given must fit."""

    q: Words = ""
    times: Annotated[
        str, whole(several(list(CampaignTime)), description="coming, running, over")
    ] = ""
    after: AfterId = ""
    limit: Limit = 50


class CampaignList(Struct, frozen=True):
    """Send `next` as `after` to get the next page; null at the end."""

    campaigns: list[CountedCampaign]
    next: str | None


async def create_campaign(parts: Parts, call: Call) -> Answer:
    campaigns = parts[Campaigns]
    return await make(
        call, "campaign", lambda once: campaigns.create(call.body, once), campaigns.find
    )


async def find_campaigns(parts: Parts, call: Call) -> Answer:
    query = call.query
    found = await parts[Campaigns].list(
        times=split(query.times), words=query.q, before=query.after, limit=query.limit
    )
    is_full = len(found) == query.limit
    return Answer(200, CampaignList(found, found[-1].campaign_id if is_full else None))


async def show_whole_campaign(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[Campaigns].find(call.path["campaign_id"]))


async def edit_campaign(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[Campaigns].edit(call.path["campaign_id"], call.body))


async def remove_campaign(parts: Parts, call: Call) -> Answer:
    await parts[Campaigns].remove(call.path["campaign_id"], call.query.version)
    return Answer(200, Nothing())


_CAMPAIGN = "/v1/admin/campaigns/{campaign_id}"

ROUTES = [
    Route(
        "POST",
        "/v1/admin/campaigns",
        create_campaign,
        "Create a campaign",
        "admin",
        {201: Campaign, 200: CountedCampaign},
        ("idempotency_conflict", "store_unavailable"),
        auth="operator",
        action=Action.CAMPAIGN_CHANGE,
        body=NewCampaign,
        keyed=True,
        changes=True,
        description="With an `Idempotency-Key`, a retry makes nothing twice, and gets 200.",
    ),
    Route(
        "GET",
        "/v1/admin/campaigns",
        find_campaigns,
        "All campaigns, the newest first",
        "admin",
        {200: CampaignList},
        ("store_unavailable",),
        auth="operator",
        action=Action.DROP_READ,
        query=CampaignFilter,
    ),
    Route(
        "GET",
        _CAMPAIGN,
        show_whole_campaign,
        "A campaign, and how many drops it has",
        "admin",
        {200: CountedCampaign},
        ("unknown_campaign", "store_unavailable"),
        auth="operator",
        action=Action.DROP_READ,
    ),
    Route(
        "PATCH",
        _CAMPAIGN,
        edit_campaign,
        "Change a campaign",
        "admin",
        {200: Campaign},
        ("unknown_campaign", "version_conflict", "store_unavailable"),
        auth="operator",
        action=Action.CAMPAIGN_CHANGE,
        body=CampaignEdit,
        changes=True,
        description="Its drops keep the times that they were made with.",
    ),
    Route(
        "DELETE",
        _CAMPAIGN,
        remove_campaign,
        "Delete a campaign without drops",
        "admin",
        {200: Nothing},
        ("unknown_campaign", "version_conflict", "in_use", "store_unavailable"),
        auth="operator",
        action=Action.CAMPAIGN_CHANGE,
        query=VersionQuery,
        changes=True,
    ),
]
