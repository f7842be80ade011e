"""What all of livesale works on: the settings, the stores, and the engine. A leaf record."""

from msgspec import Struct, field
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from livesale.settings import Settings
from livesale.tasks.share import Share
from stock.gateway import RedisEngine
from stock.keyspace import Keyspace


class Deployment(Struct, frozen=True):
    """One running livesale: its settings, its stores, and the engine between them.

    `epochs` maps a partition to its epoch as this process knows it, 0 while it is closed here;
    `closed` says why. The watchman keeps both. Keyspace and epochs are the engine's own.
    `share` has the partitions that a keeper works on; None: all.
    """

    settings: Settings
    redis: Redis
    redis_url: str
    sql: AsyncEngine
    engine: RedisEngine
    closed: dict[int, str] = field(default_factory=dict)
    share: Share | None = None

    @property
    def keyspace(self) -> Keyspace:
        return self.engine.keyspace

    def partitions_here(self) -> Share:
        """What the jobs of this process work on."""
        return self.share or Share(range(self.keyspace.partitions))

    @property
    def epochs(self) -> dict[int, int]:
        return self.engine.epochs
