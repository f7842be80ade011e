"""The service as its buyers and its operator reach it: lean HTTP, one answer at a time."""

import asyncio
import time
from typing import Any

import msgspec
from msgspec import Struct

from livesale.demo.client import Lost, Pool, Refused
from livesale.tokens.signing import TokenSigner

TIMEOUT_S = 5.0
CONNECTIONS = 96
OFFICE_CONNECTIONS = 8  # the operator's: no crowd keeps him waiting


class Told(Struct):
    """An answer: its status, its code (`ok` below 300), its body."""

    status: int
    code: str
    body: dict[str, Any]


OFFICE = "/v1/admin/"

_body = msgspec.json.Decoder(dict[str, Any])


class Shop:
    """Raises nothing: what goes wrong is the code `refused` (nothing was sent) or `lost`."""

    def __init__(self, port: int, signer: TokenSigner) -> None:
        self._port = port
        self._signer = signer
        self._pool = Pool("127.0.0.1", port, CONNECTIONS)
        self._office = Pool("127.0.0.1", port, OFFICE_CONNECTIONS)
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
        pool = self._office if path.startswith(OFFICE) else self._pool
        try:
            answer = await pool.ask(self._request(method, path, token, body, key), TIMEOUT_S)
        except Refused:
            await asyncio.sleep(0.05)
            return Told(0, "refused", {})
        except Lost:
            return Told(0, "lost", {})
        try:
            found = _body.decode(answer.body)
        except msgspec.MsgspecError:
            return Told(answer.status, "unreadable", {})
        code = "ok" if answer.status < 300 else str(found.get("code", "?"))
        return Told(answer.status, code, found)

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
        writer.write(self._request(method, path, token, body, key))
        await asyncio.sleep(0)
        writer.close()
        return "hung_up"

    def close(self) -> None:
        self._pool.close()
        self._office.close()

    def _request(
        self, method: str, path: str, token: str, body: dict[str, Any] | None, key: str
    ) -> bytes:
        payload = b"" if body is None else msgspec.json.encode(body)
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: 127.0.0.1:{self._port}",
            f"Content-Length: {len(payload)}",
        ]
        if token:
            lines.append(f"Authorization: Bearer {token}")
        if payload:
            lines.append("Content-Type: application/json")
        if key:
            lines.append(f"Idempotency-Key: {key}")
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + payload


def now_ms() -> float:
    return time.time_ns() / 1e6
