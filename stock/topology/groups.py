"""Several primaries that know nothing of each other, each with its Sentinels.

A partition is in the group of its number, modulo the number of groups; every other key in the group
of its slot. So the order and the number of groups are as final as the number of partitions.
"""

import re
from collections.abc import Sequence

from redis.asyncio import Redis
from redis.exceptions import MovedError

from stock.topology.server import Server
from stock.topology.slots import slot_of, tag_of

_PARTITION = re.compile(r"p(\d\d)$")


class Groups:
    """One client for each group, in the order of the settings."""

    def __init__(self, clients: Sequence["Redis"]) -> None:
        self._servers = tuple(
            Server(f"group {number}", redis) for number, redis in enumerate(clients)
        )

    @property
    def servers(self) -> Sequence[Server]:
        return self._servers

    def place_of(self, key: str) -> int:
        partition = _PARTITION.match(tag_of(key))
        number = int(partition[1]) if partition else slot_of(key)
        return number % len(self._servers)

    def server(self, place: int) -> Server | None:
        return self._servers[place]

    async def locate(self, place: int) -> Server:
        return self._servers[place]

    async def instead(self, server: Server, place: int) -> Server | None:
        return None  # its Sentinels know where its primary is

    async def note_moved(self, moved: MovedError) -> None:
        raise moved

    def doubt(self) -> None:
        pass

    async def refresh(self) -> None:
        pass

    async def close(self) -> None:
        for server in self._servers:
            await server.close()
