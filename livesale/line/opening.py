"""A line opens together with its drop: people can gather from that moment until the opening.

If the process dies between the two, the keeper opens the line a moment later.
"""

from livesale.database.session import session
from livesale.ledger.line_plan import DRAFT
from livesale.line.store import find_line
from livesale.resources import Deployment
from livesale.validation.refusals import DropRefused
from stock.line.model import LineMode, LineOpenCode

MIN_GATHER_MS = 1_000  # the shortest time between the opening of a line and that of its drop


async def check_gathering(deployment: Deployment, drop_id: str, opens_ms: int) -> None:
    """Before a draft is opened for `opens_ms`. Raises DropRefused (line_needs_time) if nobody could
    gather in front of it, and StoreUnavailable."""
    async with session(deployment.sql) as connection:
        line = await find_line(connection, drop_id)
    if line is None or line.state != DRAFT or line.terms.mode is LineMode.WAITLIST:
        return
    if opens_ms - await deployment.engine.now_ms() < MIN_GATHER_MS:
        detail = f"People gather in its line first, for {MIN_GATHER_MS} ms at least."
        raise DropRefused("line_needs_time", detail)


async def open_line(deployment: Deployment, drop_id: str) -> LineOpenCode | None:
    """Open the line of a drop that has just been opened; None if it has none. May be repeated.

    Raises StoreUnavailable, and the faults of stock.errors.
    """
    async with session(deployment.sql) as connection:
        line = await find_line(connection, drop_id)
    if line is None or line.state != DRAFT:
        return None
    return await deployment.engine.line.open(drop_id, line.terms)
