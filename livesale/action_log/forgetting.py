"""Deletes rows of operators' actions that are older than the settings keep them."""

from livesale.action_log.store import forget
from livesale.database.engine import now_ms
from livesale.database.session import session
from livesale.resources import Deployment
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
