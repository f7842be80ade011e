"""Removes the record of what operators did, when it is older than the settings keep it."""

from livesale.deployment import Deployment
from livesale.store.actions import forget
from livesale.store.database import now_ms
from livesale.store.session import session
from stock.ids import least_id

FORGET_EVERY_S = 600.0
PAGE = 1_000  # rows in one transaction


async def forget_actions(deployment: Deployment) -> int:
    """Remove what is too old; how many rows went. Raises StoreUnavailable."""
    before_id = least_id(now_ms() - deployment.settings.keeper.keep_actions_s * 1000)
    gone = 0
    while True:
        async with session(deployment.sql, write=True) as connection:
            page = await forget(connection, before_id, PAGE)
        gone += page
        if page < PAGE:
            return gone
