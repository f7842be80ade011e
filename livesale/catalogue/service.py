"""Campaigns, created and changed by operators."""

from collections.abc import Collection
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, structs
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.action_log.record import note_change
from livesale.catalogue import campaign_list
from livesale.catalogue import store as catalogue
from livesale.catalogue.store import Campaign
from livesale.database.engine import now_ms
from livesale.database.session import session
from livesale.once.creations import Once, claim
from livesale.resources import Deployment
from livesale.validation.lists import Version
from livesale.validation.refusals import InvalidField, Unknown, VersionConflict
from livesale.validation.texts import prose
from livesale.validation.uses import Uses
from stock.ids import new_id
from stock.model import MAX_TIME_MS, MAX_UNITS

EARLIEST_MS = 1_000_000_000_000  # the year 2001: catches times in seconds

Title = Annotated[str, prose(examples=["Tea set, 12 pc"])]
OpensMs = Annotated[
    int,
    Meta(
        ge=0,
        le=MAX_TIME_MS,
        description=f"ms since 1970 UTC, not below {EARLIEST_MS}; 0 opens at once",
    ),
]
ClosesMs = Annotated[
    int, Meta(ge=EARLIEST_MS, le=MAX_TIME_MS, description="ms since 1970 UTC, after opens_ms")
]


class NewCampaign(Struct, frozen=True, forbid_unknown_fields=True):
    title: Title
    opens_ms: OpensMs
    closes_ms: ClosesMs
    buyer_limit: (
        Annotated[
            int,
            Meta(
                ge=1,
                le=MAX_UNITS,
                description="units one buyer may have of all its drops together. Its drops end "
                "with it, and stay in it. It cannot be changed",
            ),
        ]
        | None
    ) = None


class CampaignEdit(Struct, frozen=True, forbid_unknown_fields=True):
    """What is missing stays as it is. Drops keep the times that they were made with."""

    version: Version
    title: Title | UnsetType = UNSET
    opens_ms: OpensMs | UnsetType = UNSET
    closes_ms: ClosesMs | UnsetType = UNSET


class CountedCampaign(Campaign, frozen=True, kw_only=True):
    """A campaign, and how many drops it has by state."""

    drops: dict[str, int]


class Campaigns:
    """Use cases of operators. All raise StoreUnavailable."""

    def __init__(self, deployment: Deployment, uses: Uses | None = None) -> None:
        self._sql = deployment.sql
        self._uses = uses or Uses()

    async def create(self, new: NewCampaign, once: Once | None = None) -> Campaign:
        """Raises InvalidField when it would close before it opens; Made, KeyConflict."""
        campaign = campaign_of(new)
        async with session(self._sql, write=True) as connection:
            await claim(connection, once, campaign.campaign_id)
            await catalogue.add_campaign(connection, campaign)
            note_change(None, campaign)
        return campaign

    async def find(self, campaign_id: str) -> CountedCampaign:
        """Raises Unknown("unknown_campaign")."""
        async with session(self._sql) as connection:
            campaign = await catalogue.find_campaign(connection, campaign_id)
            if campaign is None:
                raise Unknown("unknown_campaign")
            counts = await campaign_list.count_drops(connection, [campaign_id])
        return _counted(campaign, counts)

    async def list(
        self, *, times: Collection[str], words: str, before: str, limit: int
    ) -> list[CountedCampaign]:
        """The newest first, those with a smaller id than `before`."""
        async with session(self._sql) as connection:
            found = await campaign_list.find_campaigns(
                connection, at_ms=now_ms(), times=times, words=words, before=before, limit=limit
            )
            counts = await campaign_list.count_drops(
                connection, [campaign.campaign_id for campaign in found]
            )
        return [_counted(campaign, counts) for campaign in found]

    async def edit(self, campaign_id: str, edit: CampaignEdit) -> Campaign:
        """Raises Unknown, VersionConflict, or InvalidField when it would close before it opens."""
        given = {
            name: value
            for name, value in structs.asdict(edit).items()
            if value is not UNSET and name != "version"
        }
        async with session(self._sql, write=True) as connection:
            before = await _lock(connection, campaign_id, edit.version)
            campaign = structs.replace(before, **given, version=before.version + 1)
            check_window(campaign.opens_ms, campaign.closes_ms)
            if before.buyer_limit and campaign.closes_ms != before.closes_ms:
                raise InvalidField("closes_ms", "A campaign with a limit keeps its end.")
            await catalogue.change_campaign(connection, campaign)
            note_change(before, campaign)
        return campaign

    async def remove(self, campaign_id: str, version: int | None = None) -> None:
        """Delete a campaign without drops. Raises Unknown, VersionConflict or InUse."""
        async with session(self._sql, write=True) as connection:
            campaign = await _lock(connection, campaign_id, version)
            await self._uses.check(connection, "campaign", campaign_id)
            await catalogue.remove_campaign(connection, campaign_id)
            note_change(campaign, None)


async def _lock(connection: AsyncConnection, campaign_id: str, version: int | None) -> Campaign:
    campaign = await catalogue.lock_campaign(connection, campaign_id)
    if campaign is None:
        raise Unknown("unknown_campaign")
    if version is not None and version != campaign.version:
        raise VersionConflict("campaign", campaign.version)
    return campaign


def _counted(campaign: Campaign, counts: dict[str, dict[str, int]]) -> CountedCampaign:
    drops = counts.get(campaign.campaign_id, {})
    return CountedCampaign(**structs.asdict(campaign), drops=drops)


def campaign_of(new: NewCampaign) -> Campaign:
    """Raises InvalidField when it would close before it opens."""
    check_window(new.opens_ms, new.closes_ms)
    limit = new.buyer_limit or 0
    return Campaign(
        *(new_id(), new.title, new.opens_ms, new.closes_ms, now_ms()), buyer_limit=limit
    )


def check_opens(opens_ms: int) -> None:
    """Raises InvalidField for a time in seconds: such a sale would begin at once."""
    if 0 < opens_ms < EARLIEST_MS:
        detail = f"Give milliseconds since 1970 UTC, at least {EARLIEST_MS}, or 0 for at once."
        raise InvalidField("opens_ms", detail)


def check_window(opens_ms: int, closes_ms: int) -> None:
    """Raises InvalidField unless both are milliseconds and it opens before it closes."""
    check_opens(opens_ms)
    if closes_ms <= opens_ms:
        raise InvalidField("closes_ms", "It must be after opens_ms.")
