"""The second half of I5: each buyer's units of a drop, as Redis counts them."""

from collections.abc import Mapping
from typing import Any

from redis.asyncio import Redis

from livesale.ledger.instant import Instant
from livesale.resources import Deployment
from stock.model import Snapshot

PAGE = 1_000


async def over_the_limit_in_redis(
    deployment: Deployment, reader: "Redis", instant: Instant
) -> list[str]:
    """Buyers above the limit; and drops whose buyers do not add up to the units held and sold.

    Compares the sum only if nothing was sold while it read the buyers.
    """
    broken: list[str] = []
    campaigns = _Campaigns(deployment, reader)
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
        campaigns.add(before, units, still)
    return broken + await campaigns.find_faults()


class _Campaigns:
    """What Redis counts for campaigns with a limit, against the drops that it has."""

    def __init__(self, deployment: Deployment, reader: "Redis") -> None:
        self._deployment = deployment
        self._reader = reader
        self._sums: dict[str, dict[str, int]] = {}
        self._drops: dict[str, list[Snapshot]] = {}

    def add(self, drop: Snapshot, units: Mapping[str, int], still: bool) -> None:
        name = drop.terms.campaign_id
        if not name:
            return
        sums = self._sums.setdefault(name, {})
        for buyer, count in units.items():
            sums[buyer] = sums.get(buyer, 0) + count
        self._drops.setdefault(name, []).append(drop)
        if not still:
            sums.clear()

    async def find_faults(self) -> list[str]:
        """Too many units for a buyer; or fewer than the drops say, if nothing was sold meanwhile.

        More than the drops say are of drops that have left Redis.
        """
        broken = []
        for name, some in self._drops.items():
            limit = some[0].terms.campaign_limit
            counts = await self._counts(name, some[0].drop_id)
            broken += [
                f"{buyer} has {count} of the campaign {name} in Redis, the limit is {limit}"
                for buyer, count in counts.items()
                if count > limit
            ]
            after = [await self._deployment.engine.snapshot(drop.drop_id) for drop in some]
            if any(
                now is None or (now.held, now.sold) != (was.held, was.sold)
                for was, now in zip(some, after, strict=True)
            ):
                continue
            broken += [
                f"{buyer} has {counts.get(buyer, 0)} of the campaign {name} in Redis, and {units} "
                "of its drops"
                for buyer, units in self._sums[name].items()
                if counts.get(buyer, 0) < units
            ]
        return broken

    async def _counts(self, name: str, drop_id: str) -> dict[str, int]:
        key = self._deployment.keyspace.of_drop(drop_id).campaigns
        found = self._reader.hscan_iter(key, match=f"{name}|*", count=PAGE)
        return {field.partition("|")[2]: int(text) async for field, text in found}
