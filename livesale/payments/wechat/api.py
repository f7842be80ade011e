"""Requests to WeChat Pay: we sign them, and verify answers before we parse them."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import msgspec
from msgspec import Struct
from multidict import MultiMapping
from yarl import URL

from livesale.payments.errors import GatewayRefused, GatewayUnavailable, GatewayUnknown
from livesale.payments.metrics import GATEWAY_FAULTS
from livesale.payments.wechat.signing import (
    answer_message,
    authorization,
    is_signed,
    request_message,
    sign,
)
from livesale.settings.wechat_keys import WeChatPayKeys
from livesale.tasks.turns import Crowded
from livesale.wechat.client import Bounds, NoAnswer, NotAsked, Outgoing

MAX_ANSWER_BYTES = 262_144
FRESH_S = 300  # maximum difference of timestamps; beyond it, it is a replay
THREADS = 2

_SIGNATURE = ("Wechatpay-Timestamp", "Wechatpay-Nonce", "Wechatpay-Signature", "Wechatpay-Serial")


class Unverified(Exception):
    """`reason` is one word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _Error(Struct):
    code: str = ""
    message: str = ""


class WeChatPayApi:
    """One HTTP session and two threads for RSA, while `running`."""

    def __init__(
        self,
        keys: WeChatPayKeys,
        mchid: str,
        base_url: str,
        timeout_s: float,
        now_s: Callable[[], float] = time.time,
        bounds: Bounds = Bounds(),  # noqa: B008  frozen
        proxy: str = "",
    ) -> None:
        self._keys = keys
        self._mchid = mchid
        self._base_url = base_url.rstrip("/")
        self._now_s = now_s
        self._outgoing = Outgoing(base_url, timeout_s, bounds, proxy)
        self._threads: ThreadPoolExecutor | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        with ThreadPoolExecutor(THREADS, "wechatpay") as self._threads:
            async with self._outgoing.running():
                yield
        self._threads = None

    async def ask(self, method: str, target: str, body: dict[str, Any] | None = None) -> bytes:
        """Send a request; returns the verified body of a 2xx. `target` is path and query.

        Raises GatewayRefused with WeChat's code, GatewayUnavailable or GatewayUnknown.
        """
        try:
            return await self._ask(method, target, body)
        except (GatewayUnavailable, GatewayUnknown) as fault:
            GATEWAY_FAULTS.labels(type(fault).__name__).inc()
            raise

    async def _ask(self, method: str, target: str, body: dict[str, Any] | None) -> bytes:
        if self._threads is None:
            raise GatewayUnavailable("the gateway is not running")
        raw = msgspec.json.encode(body) if body is not None else b""
        headers = {
            "Authorization": await self._authorize(method, target, raw),
            "Accept": "application/json",
            "User-Agent": f"livesale/{version('livesale')}",
            # Asks for a signature by the key with this id, because several are valid.
            "Wechatpay-Serial": self._keys.public_key_id,
        }
        if raw:
            headers["Content-Type"] = "application/json"
        url = URL(f"{self._base_url}{target}", encoded=True)
        try:
            answer = await self._outgoing.ask(
                method, url, MAX_ANSWER_BYTES, data=raw or None, headers=headers
            )
        except (Crowded, NotAsked) as fault:
            raise GatewayUnavailable(f"not asked: {fault}") from None
        except NoAnswer as fault:
            raise GatewayUnknown(str(fault)) from None
        if not 200 <= answer.status < 300:
            raise _fault(answer.status, answer.body)
        try:
            await self.verify(answer.headers, answer.body)
        except Unverified as why:
            raise GatewayUnknown(f"an answer that cannot be trusted: {why.reason}") from None
        return answer.body

    async def sign(self, message: bytes) -> str:
        """Sign with the merchant's key, in a thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, sign, self._keys.private_key, message)

    async def verify(self, headers: MultiMapping[str], body: bytes) -> None:
        """Check that WeChat signed these bytes recently with a known key. Raises Unverified."""
        found = []
        for name in _SIGNATURE:
            given = headers.getall(name, ())
            if len(given) != 1 or not given[0]:
                raise Unverified("headers")
            found.append(given[0])
        timestamp, nonce, signature, serial = found
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
            raise Unverified("timestamp")
        if abs(self._now_s() - int(timestamp)) > FRESH_S:
            raise Unverified("stale")
        key = self._keys.public_keys.get(serial)
        if key is None:
            raise Unverified("serial")
        message = answer_message(timestamp, nonce, body)
        loop = asyncio.get_running_loop()
        if not await loop.run_in_executor(self._threads, is_signed, key, signature, message):
            raise Unverified("signature")

    def nonce(self) -> str:
        return secrets.token_hex(16)

    def timestamp(self) -> str:
        """The time in seconds since 1970."""
        return str(int(self._now_s()))

    async def _authorize(self, method: str, target: str, body: bytes) -> str:
        timestamp, nonce = self.timestamp(), self.nonce()
        signature = await self.sign(request_message(method, target, timestamp, nonce, body))
        return authorization(self._mchid, self._keys.serial_no, timestamp, nonce, signature)


def _fault(status: int, answer: bytes) -> Exception:
    """The fault of an error status. WeChat may not sign it, so it can only mean "not done".

    After 429 and 401 (signature refused) nothing was done; after 5xx the outcome is unknown.
    """
    try:
        error = msgspec.json.decode(answer, type=_Error)
    except msgspec.MsgspecError:
        error = _Error()
    code = error.code[:64] or f"HTTP {status}"
    detail = error.message[:120]
    if status in (401, 429):
        return GatewayUnavailable(f"{status} {code}: {detail}")
    if 400 <= status < 500:
        return GatewayRefused(code, detail)
    return GatewayUnknown(f"{status} {code}: {detail}")
