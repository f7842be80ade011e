"""The answer of /metrics."""

from collections.abc import Awaitable, Callable

from livesale.tasks.ttl_cache import TtlCache
from livesale.telemetry import metrics

TTL_S = 1.0  # cached, because each answer asks every process of this machine


class Exposition:
    """The metrics of all processes on this machine, collected at most once a second."""

    def __init__(self, take: Callable[[], Awaitable[bytes]] = metrics.exposition) -> None:
        self._taken = TtlCache(lambda _: take(), ttl_s=TTL_S, max_found=1)

    async def render(self) -> bytes:
        return await self._taken.get("") or b""
