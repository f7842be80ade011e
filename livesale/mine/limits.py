"""What the limits of drops leave a buyer, from Redis: the numbers that decide the next attempt."""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace
from redis.asyncio import Redis

from livesale.resources import Deployment

_TERMS = ("state", "buyer_limit", "expired_limit", "campaign")


class Limit(Struct, frozen=True):
    """`units` are held or sold, `left` may still be reserved. `barred`: so many holds of this
    buyer expired that the drop takes no more of them."""

    drop_id: str
    buyer_limit: int
    units: int
    left: int
    expired_holds: int
    barred: bool


class Limits:
    """One per process. Raises redis.exceptions.RedisError."""

    def __init__(self, deployment: Deployment) -> None:
        self._redis: Redis = deployment.redis
        self._keyspace = deployment.keyspace

    async def of(self, buyer_id: str, drop_ids: Sequence[str]) -> list[Limit]:
        """Those drops, of these, that the buyer has taken something of; in the same order."""
        async with self._redis.pipeline(transaction=False) as together:
            for drop_id in drop_ids:
                together.hget(self._keyspace.of_drop(drop_id).buyers, buyer_id)
            packed = await together.execute()
        taken = [
            (drop_id, str(text)) for drop_id, text in zip(drop_ids, packed, strict=True) if text
        ]
        async with self._redis.pipeline(transaction=False) as together:
            for drop_id, _ in taken:
                together.hmget(self._keyspace.of_drop(drop_id).drop, _TERMS)
            terms = await together.execute()
        found = [
            (_limit(drop_id, text, int(row[1]), int(row[2])), str(row[3] or ""))
            for (drop_id, text), row in zip(taken, terms, strict=True)
            if row[0]
        ]
        return [await self._of_campaign(limit, campaign, buyer_id) for limit, campaign in found]

    async def _of_campaign(self, limit: Limit, campaign: str, buyer_id: str) -> Limit:
        """What the limit of the drop's campaign leaves, if it has one."""
        name, _, most = campaign.partition("|")
        if not most:
            return limit
        key = self._keyspace.of_drop(limit.drop_id).campaigns
        units = int(await self._redis.hget(key, f"{name}|{buyer_id}") or 0)
        return replace(limit, left=min(limit.left, max(0, int(most) - units)))


def _limit(drop_id: str, packed: str, buyer_limit: int, expired_limit: int) -> Limit:
    """From `units[|expired[|ticket]]`: see `lua/includes/holdings.lua`."""
    units_text, expired_text, *_ = [*packed.split("|"), ""]
    units, expired = int(units_text), int(expired_text or 0)
    barred = 0 < expired_limit <= expired
    left = 0 if barred else max(0, buyer_limit - units)
    return Limit(drop_id, buyer_limit, units, left, expired, barred)
