"""Which process may load our scripts into Redis, if the service's own user may not.

An ACL cannot distinguish scripts: a user that may run EVAL or SCRIPT LOAD may load any script. So
with `LIVESALE__REDIS__LOADER_URL` a separate user loads them, over its own connection. Only the
keeper needs that URL, because it has no contact with clients. The others run loaded scripts by
EVALSHA. Redis loses its scripts at a restart; the keeper notices within a sweep, and until then an
attempt gets 503 `overloaded`: nothing was sent.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, RedisError

from livesale.deployment.startup import REDIS_URL
from livesale.errors import Refused
from livesale.settings import Settings
from stock.connection import connect
from stock.hosts import with_name
from stock.keyspace import Keyspace
from stock.scripts import load_engine, load_features
from stock.topology.router import shard_at, shards_of

LOADER_URL = "LIVESALE__REDIS__LOADER_URL"
WAIT_S = 10.0  # how long a process without the right waits for one that loads them
POLL_S = 0.1


class ScriptLoader:
    """Loads missing scripts, as the service's user or as the loader of the settings.

    Each primary has scripts of its own. `redis` may lead to several; the methods look at one, or,
    without an argument, at all of them.
    """

    def __init__(self, settings: Settings, redis: Redis) -> None:
        self._settings = settings
        self._redis = redis
        self._keyspace = Keyspace(settings.stock.partitions)
        scripts = [*load_engine().values(), *load_features().values()]
        self._sources = {script.sha: script.source for script in scripts}

    @property
    def shas(self) -> Sequence[str]:
        """The SHA1 of all scripts."""
        return tuple(self._sources)

    async def missing(self, redis: Redis | None = None) -> list[str]:
        """The SHA1 of scripts that a server lacks, or any of them. Raises RedisError."""
        lacking: dict[str, None] = {}
        for server in await self._servers(redis):
            known = await server.script_exists(*self._sources)
            pairs = zip(self._sources, known, strict=True)
            lacking.update({sha: None for sha, is_known in pairs if not is_known})
        return list(lacking)

    async def load(self, redis: Redis | None = None) -> None:
        """Load every missing script. Raises RedisError; NoPermissionError without the right."""
        fault: RedisError | None = None
        for server in await self._servers(redis):
            try:
                await self._load(server)
            except RedisError as error:  # the others must have theirs
                fault = error
        if fault is not None:
            raise fault

    async def _load(self, server: Redis) -> None:
        missing = await self.missing(server)
        if missing:
            async with self._connection(server) as loader:
                for sha in missing:
                    await loader.script_load(self._sources[sha])

    async def load_or_wait(self) -> None:
        """Load, or wait for a process with the right. Raises Refused if none does."""
        try:
            await self.load()
            return
        except NoPermissionError:
            deadline = asyncio.get_running_loop().time() + WAIT_S
        while await self.missing():
            if asyncio.get_running_loop().time() > deadline:
                raise Refused(
                    REDIS_URL,
                    "Redis lacks our scripts, and this user may not load them",
                    f"Start the keeper first, with {LOADER_URL} set.",
                )
            await asyncio.sleep(POLL_S)

    async def _servers(self, redis: Redis | None) -> list[Redis]:
        if redis is not None:
            return [redis]
        return [shard.redis for shard in await shards_of(self._redis, self._keyspace)]

    @asynccontextmanager
    async def _connection(self, server: Redis) -> AsyncIterator[Redis]:
        """A connection to the same server, as the loader if the settings have one."""
        url = self._settings.redis.loader_url
        if not url:
            yield server
            return
        loader = connect(
            with_name(url, "livesale-loader"),
            connections=1,
            timeout_s=self._settings.redis.timeout_ms / 1000,
        )
        try:
            names = [
                shard.name
                for shard in await shards_of(self._redis, self._keyspace)
                if shard.redis is server
            ]
            yield await shard_at(loader, names[0]) if names else loader
        finally:
            await loader.aclose()
