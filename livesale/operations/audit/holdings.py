"""The second half of I5: each buyer's units of a drop, as Redis counts them."""

from typing import Any

from redis.asyncio import Redis

from livesale.ledger.instant import Instant
from livesale.resources import Deployment

PAGE = 1_000


async def over_the_limit_in_redis(
    deployment: Deployment, reader: "Redis", instant: Instant
) -> list[str]:
    """Buyers above the limit; and drops whose buyers do not add up to the units held and sold.

    Compares the sum only if nothing was sold while it read the buyers.
    """
    broken: list[str] = []
    for view in instant.drops.values():
        instant.progress.advance()
        before = view.snapshot
        if before is None:
            continue
        key = deployment.keyspace.of_drop(view.drop_id).buyers
        # By name, not as a sum: during a resize of the hash, a scan may return a buyer twice.
        units: dict[str, int] = {}
        cursor = 0
        while True:
            reply: Any = await reader.hscan(key, cursor, count=PAGE)
            cursor, found = reply
            for buyer, text in found.items():
                count = text.partition("|")[0]
                if not (count.isascii() and count.isdigit()):
                    broken.append(f"{buyer!a} has {text[:80]!a} of {view.drop_id} in Redis")
                    continue
                units[buyer] = int(count)
                if units[buyer] > before.terms.buyer_limit:
                    broken.append(f"{buyer} has {units[buyer]} of {view.drop_id} in Redis")
            if cursor == 0:
                break
        after = await deployment.engine.snapshot(view.drop_id)
        still = after is not None and (after.held, after.sold) == (before.held, before.sold)
        if still and after is not None and after.log_id == before.log_id:
            total, out = sum(units.values()), before.held + before.sold
            if total != out:
                broken.append(f"{view.drop_id}: buyers have {total} units, {out} are held or sold")
    return broken
