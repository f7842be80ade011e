"""The service as its buyers and its operator reach it: lean HTTP, one answer at a time."""

import asyncio
import time
from typing import Any

from msgspec import Struct

from livesale.tokens.signing import TokenSigner
from loadtests.client import Pool, PoolLine
from loadtests.line import Request
from loadtests.target import Target

TIMEOUT_S = 5.0
CONNECTIONS = 96
OFFICE_CONNECTIONS = 8  # the operator's: no crowd keeps him waiting


class Told(Struct):
    """An answer: its status, its code (`ok` below 300), its body."""

    status: int
    code: str
    body: dict[str, Any]


OFFICE = "/v1/admin/"


class Shop:
    """Raises nothing: what goes wrong is the code `refused` (nothing was sent) or `lost`."""

    def __init__(self, port: int, signer: TokenSigner) -> None:
        self._port = port
        self._signer = signer
        self._target = Target("http", "127.0.0.1", port)
        self._pools = [Pool(self._target, size) for size in (CONNECTIONS, OFFICE_CONNECTIONS)]
        self._crowd, self._office = (PoolLine(pool, TIMEOUT_S) for pool in self._pools)
        self._tokens: dict[str, str] = {}
        self._operator = signer.operator("faults")

    def token(self, buyer_id: str) -> str:
        token = self._tokens.get(buyer_id)
        if token is None:
            token = self._tokens[buyer_id] = self._signer.buyer(buyer_id)
        return token

    async def ask(
        self, method: str, path: str, token: str, body: dict[str, Any] | None = None, key: str = ""
    ) -> Told:
        line = self._office if path.startswith(OFFICE) else self._crowd
        answer = await line.ask("", method, path, body=body, token=token, key=key)
        if answer.code == "refused":
            await asyncio.sleep(0.05)
        return Told(answer.status, answer.code or "ok", answer.body)

    async def admin(
        self, method: str, path: str, body: dict[str, Any] | None = None, key: str = ""
    ) -> Told:
        return await self.ask(method, f"/v1/admin/{path}", self._operator, body, key)

    async def hang_up(
        self, method: str, path: str, token: str, body: dict[str, Any], key: str
    ) -> str:
        """Send a request and leave without waiting: `hung_up`, or `refused`."""
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            return "refused"
        request = Request("", method, path, body, token, key)
        writer.write(request.raw(self._target.authority))
        await asyncio.sleep(0)
        writer.close()
        return "hung_up"

    def close(self) -> None:
        for pool in self._pools:
            pool.close()


def now_ms() -> float:
    return time.time_ns() / 1e6
