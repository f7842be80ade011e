"""What operators put up: SKUs and campaigns."""

from typing import Annotated

from msgspec import Meta, Struct

from livesale.deployment import Deployment
from livesale.sales.errors import InvalidField
from livesale.sales.texts import prose
from livesale.store import catalogue
from livesale.store.catalogue import Campaign, Sku
from livesale.store.database import now_ms
from livesale.store.session import session
from stock.ids import new_id
from stock.model import MAX_PRICE_FEN, MAX_TIME_MS

EARLIEST_CLOSE_MS = 1_000_000_000_000  # the year 2001: catches times that are seconds

Title = Annotated[str, prose(examples=["Tea set, 12 pc"])]
PriceFen = Annotated[int, Meta(ge=1, le=MAX_PRICE_FEN, description="fen", examples=[9_900])]
OpensMs = Annotated[int, Meta(ge=0, le=MAX_TIME_MS, description="ms since 1970 UTC")]
ClosesMs = Annotated[
    int, Meta(ge=EARLIEST_CLOSE_MS, le=MAX_TIME_MS, description="ms since 1970 UTC, after opens_ms")
]


class NewSku(Struct, frozen=True, forbid_unknown_fields=True):
    title: Title
    price_fen: PriceFen


class NewCampaign(Struct, frozen=True, forbid_unknown_fields=True):
    title: Title
    opens_ms: OpensMs
    closes_ms: ClosesMs


class Campaigns:
    """Use cases of operators. All raise StoreUnavailable."""

    def __init__(self, deployment: Deployment) -> None:
        self._sql = deployment.sql

    async def create_sku(self, new: NewSku) -> Sku:
        sku = Sku(new_id(), new.title, new.price_fen, now_ms())
        async with session(self._sql, write=True) as connection:
            await catalogue.add_sku(connection, sku)
        return sku

    async def create(self, new: NewCampaign) -> Campaign:
        """Raises InvalidField when it would close before it opens."""
        check_window(new.opens_ms, new.closes_ms)
        campaign = Campaign(new_id(), new.title, new.opens_ms, new.closes_ms, now_ms())
        async with session(self._sql, write=True) as connection:
            await catalogue.add_campaign(connection, campaign)
        return campaign


def check_window(opens_ms: int, closes_ms: int) -> None:
    """Raises InvalidField unless it opens before it closes."""
    if closes_ms <= opens_ms:
        raise InvalidField("closes_ms", "It must be after opens_ms.")
