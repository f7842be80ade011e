"""The primaries of a Valkey or Redis Cluster, and who of them has which slot.

Any node can be asked, but one that is cut off from the majority has an old answer: such a node
says that its state is not `ok` once it has noticed, and every question goes to another node than
the last one. A wrong answer does no harm: the addressed node itself refuses slots that it does not
have, and says MOVED.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MovedError, RedisError

from stock.hosts import show_host
from stock.topology.server import Server
from stock.topology.slots import SLOTS, slot_of

Address = tuple[str, int]

ASK_S = 0.5  # how long one node has for its answer
PAUSE_S = 0.2  # between two questions after failures: each costs some ms of this process


class Cluster:
    """`connect` makes a client of one primary, `asker` one of any node, for one question."""

    def __init__(
        self,
        seeds: Sequence[Address],
        connect: Callable[[Address], "Redis"],
        asker: Callable[[Address], "Redis"],
    ) -> None:
        self._seeds = list(seeds)
        self._nodes = list(seeds)  # whom to ask, the next one first
        self._connect = connect
        self._asker = asker
        self._by_address: dict[Address, Server] = {}
        self._table: list[Server | None] = [None] * SLOTS
        self._lock = asyncio.Lock()
        self._answers = 0
        self._fault = ""  # of the last question
        self._asked_s = float("-inf")
        self._is_doubtful = False

    @property
    def servers(self) -> Sequence[Server]:
        return tuple(self._by_address.values())

    def place_of(self, key: str) -> int:
        return slot_of(key)

    def server(self, place: int) -> Server | None:
        return self._table[place]

    async def locate(self, place: int) -> Server:
        if self._table[place] is None or self._is_doubtful:
            try:
                await self._refresh_rarely()
            except RedisConnectionError:
                if self._table[place] is None:
                    raise
        server = self._table[place]
        if server is None:
            raise RedisConnectionError(f"no primary has the slot {place}")
        return server

    async def instead(self, server: Server, place: int) -> Server | None:
        with contextlib.suppress(RedisConnectionError):
            await self._refresh_rarely()
        other = self._table[place]
        return None if other is server else other

    async def note_moved(self, moved: MovedError) -> None:
        """The node that was asked knows it best; the rest of the table is asked for later."""
        if not moved.host or moved.host == "?":
            await self.refresh()
            return
        self._table[moved.slot_id] = self._server_at((moved.host, moved.port))
        self._is_doubtful = True

    def doubt(self) -> None:
        """Ask again before the next call: a primary was not reached."""
        self._is_doubtful = True

    async def refresh(self) -> None:
        """Ask who has which slot, once for all who wait. Raises ConnectionError if no node says."""
        before = self._answers
        async with self._lock:
            if self._answers == before:
                self._fault = await self._ask_around()
                self._asked_s = asyncio.get_running_loop().time()
                self._answers += 1
            if self._fault:
                raise RedisConnectionError(f"no node says who has which slot: {self._fault}")

    async def close(self) -> None:
        for server in self._by_address.values():
            await server.close()

    async def _refresh_rarely(self) -> None:
        if asyncio.get_running_loop().time() - self._asked_s >= PAUSE_S:
            await self.refresh()

    async def _ask_around(self) -> str:
        """The faults of all nodes if none knows it."""
        faults: list[str] = []
        for address in list(self._nodes):
            # A node that does not answer is asked last the next time, and so is one that did: two
            # questions in a row never go to the same node.
            self._nodes.remove(address)
            self._nodes.append(address)
            try:
                rows = await self._ask(address)
            except (RedisError, OSError, TimeoutError) as fault:
                faults.append(f"{show_host(*address)}: {fault or type(fault).__name__}")
                continue
            await self._adopt(address[0], rows)
            return ""
        return "; ".join(faults)

    async def _ask(self, address: Address) -> list[Any]:
        async with asyncio.timeout(ASK_S), self._asker(address) as redis:
            command: Any = redis.execute_command
            info = await command("CLUSTER INFO")
            rows: list[Any] = await command("CLUSTER SLOTS")
        if _state_of(info) != "ok":
            raise RedisConnectionError("it does not reach the majority of the cluster")
        return rows

    async def _adopt(self, asked_host: str, rows: Sequence[Any]) -> None:
        table: list[Server | None] = [None] * SLOTS
        nodes: dict[Address, None] = {}
        primaries: dict[Address, None] = {}
        for start, end, *members in rows:
            addresses = [_address(member, asked_host) for member in members]
            nodes.update(dict.fromkeys(addresses))
            primaries[addresses[0]] = None
            server = self._server_at(addresses[0])
            table[int(start) : int(end) + 1] = [server] * (int(end) + 1 - int(start))
        self._table, self._is_doubtful = table, False
        known = set(self._nodes)
        self._nodes = [each for each in self._nodes if each in nodes or each in self._seeds]
        self._nodes += [each for each in nodes if each not in known]
        gone = [each for each in self._by_address if each not in primaries]
        for address in gone:
            await self._by_address.pop(address).close()

    def _server_at(self, address: Address) -> Server:
        server = self._by_address.get(address)
        if server is None:
            server = Server(show_host(*address), self._connect(address))
            self._by_address[address] = server
        return server


def _state_of(info: Any) -> str:
    """`cluster_state` of CLUSTER INFO, which redis-py may have parsed."""
    if isinstance(info, dict):
        return str(info.get("cluster_state"))
    lines = str(info).splitlines()
    return next((line[14:] for line in lines if line.startswith("cluster_state:")), "")


def _address(member: Sequence[Any], asked_host: str) -> Address:
    """An empty host is the one that was asked."""
    host = str(member[0] or "")
    return (asked_host if host in ("", "?") else host), int(member[1])
