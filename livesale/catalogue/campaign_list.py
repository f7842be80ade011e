"""The operators' list of campaigns. Queries only; every one takes a connection."""

from collections.abc import Collection
from enum import StrEnum

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.catalogue.store import CAMPAIGN, Campaign
from livesale.catalogue.tables import campaigns
from livesale.ledger.tables import drops
from livesale.validation.lists import has_words


class CampaignTime(StrEnum):
    """A campaign by its time."""

    COMING = "coming"
    RUNNING = "running"
    OVER = "over"


async def find_campaigns(
    connection: AsyncConnection,
    *,
    at_ms: int,
    times: Collection[str] = (),
    words: str = "",
    before: str = "",
    limit: int,
) -> list[Campaign]:
    """For operators: the newest first, those with a smaller id than `before`."""
    query = CAMPAIGN.order_by(campaigns.c.campaign_id.desc()).limit(limit)
    if before:
        query = query.where(campaigns.c.campaign_id < before)
    if words:
        query = query.where(has_words(campaigns.c.title, words))
    if times:
        opens_ms, closes_ms = campaigns.c.opens_ms, campaigns.c.closes_ms
        each = {
            CampaignTime.COMING: opens_ms > at_ms,
            CampaignTime.RUNNING: and_(opens_ms <= at_ms, closes_ms > at_ms),
            CampaignTime.OVER: closes_ms <= at_ms,
        }
        query = query.where(or_(*(each[CampaignTime(time)] for time in times)))
    return [Campaign(*row) for row in await connection.execute(query)]


async def count_drops(
    connection: AsyncConnection, campaign_ids: Collection[str]
) -> dict[str, dict[str, int]]:
    """How many drops each of these campaigns has, by state."""
    query = (
        select(drops.c.campaign_id, drops.c.state, func.count())
        .where(drops.c.campaign_id.in_(campaign_ids))
        .group_by(drops.c.campaign_id, drops.c.state)
    )
    found: dict[str, dict[str, int]] = {}
    for campaign_id, state, number in await connection.execute(query):
        found.setdefault(campaign_id, {})[state] = number
    return found
