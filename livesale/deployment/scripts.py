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
from redis.exceptions import NoPermissionError

from livesale.deployment.startup import REDIS_URL
from livesale.errors import Refused
from livesale.settings import Settings
from stock.connection import connect
from stock.scripts import load_engine, load_features

LOADER_URL = "LIVESALE__REDIS__LOADER_URL"
WAIT_S = 10.0  # how long a process without the right waits for one that loads them
POLL_S = 0.1


class ScriptLoader:
    """Loads missing scripts, as the service's user or as the loader of the settings."""

    def __init__(self, settings: Settings, redis: Redis) -> None:
        self._settings = settings
        self._redis = redis
        scripts = [*load_engine().values(), *load_features().values()]
        self._sources = {script.sha: script.source for script in scripts}

    @property
    def shas(self) -> Sequence[str]:
        """The SHA1 of all scripts."""
        return tuple(self._sources)

    async def missing(self) -> list[str]:
        """The SHA1 of scripts that Redis lacks. Raises RedisError."""
        known = await self._redis.script_exists(*self._sources)
        return [sha for sha, is_known in zip(self._sources, known, strict=True) if not is_known]

    async def load(self) -> None:
        """Load every missing script. Raises RedisError; NoPermissionError without the right."""
        missing = await self.missing()
        if missing:
            async with self._connection() as redis:
                for sha in missing:
                    await redis.script_load(self._sources[sha])

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

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Redis]:
        url = self._settings.redis.loader_url
        if not url:
            yield self._redis
            return
        loader = connect(
            f"{url}{'&' if '?' in url else '?'}client_name=livesale-loader",
            connections=1,
            timeout_s=self._settings.redis.timeout_ms / 1000,
        )
        try:
            yield loader
        finally:
            await loader.aclose()
