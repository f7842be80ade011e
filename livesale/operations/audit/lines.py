"""I13 and I14: lines in SQL replayed, and compared with Redis at the instant of the audit."""

from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.ledger.check import Check, verdict
from livesale.ledger.instant import Instant, LineView
from livesale.line.wrong_lines import find_faults
from livesale.printing.wording import counted

I13 = ("I13", "one place a buyer in line; the order follows from the published seed")
I14 = ("I14", "no purchase before its turn in line, none after the line is gone")


async def check_lines(connection: AsyncConnection, instant: Instant) -> list[Check]:
    """Both promises, because both read the same rows."""
    order, turns = [], []
    places = bought = count = 0
    for view in instant.drops.values():
        instant.progress.advance()
        if view.line is None:
            continue
        order += [text] if (text := _difference(view.drop_id, view.line)) else []
        found = await find_faults(connection, view.drop_id)
        if found is None:
            continue
        count += 1
        order += found.order
        turns += found.turns
        places += found.places
        bought += found.orders
    lines = counted(count, "line")
    return [
        verdict(*I13, order, f"{lines}, {counted(places, 'place')}{instant.besides}"),
        verdict(*I14, turns, f"{lines}, {counted(bought, 'order')} in turn{instant.besides}"),
    ]


def _difference(drop_id: str, line: LineView) -> str:
    if line.snapshot is None:
        return ""
    sql = (line.state, line.places, line.serving)
    redis = (line.snapshot.state.value, line.snapshot.n, line.snapshot.serving)
    if sql == redis:
        return ""
    return f"the line of {drop_id} is {sql} in SQL with the log, {redis} in Redis"
