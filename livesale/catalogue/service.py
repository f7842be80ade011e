"""Campaigns, created by operators."""

from typing import Annotated

from msgspec import Meta, Struct

from livesale.action_log.record import note_change
from livesale.catalogue import store as catalogue
from livesale.catalogue.store import Campaign
from livesale.database.engine import now_ms
from livesale.database.session import session
from livesale.resources import Deployment
from livesale.validation.refusals import InvalidField
from livesale.validation.texts import prose
from stock.ids import new_id
from stock.model import MAX_TIME_MS

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


class Campaigns:
    """Use cases of operators. All raise StoreUnavailable."""

    def __init__(self, deployment: Deployment) -> None:
        self._sql = deployment.sql

    async def create(self, new: NewCampaign) -> Campaign:
        """Raises InvalidField when it would close before it opens."""
        campaign = campaign_of(new)
        async with session(self._sql, write=True) as connection:
            await catalogue.add_campaign(connection, campaign)
            note_change(None, campaign)
        return campaign


def campaign_of(new: NewCampaign) -> Campaign:
    """Raises InvalidField when it would close before it opens."""
    check_window(new.opens_ms, new.closes_ms)
    return Campaign(new_id(), new.title, new.opens_ms, new.closes_ms, now_ms())


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
