"""Requests of people and their answers, independent of the HTTP client. No I/O.

People are coroutines. In the demo an event loop runs them; under Locust the line and the clock
block their greenlet instead, and `at_once` runs them.
"""

from abc import ABC, abstractmethod
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

import msgspec
from msgspec import Struct, field

LOST = "lost"  # no answer came: it may have taken effect
REFUSED = "refused"  # nothing was sent
CREATED = "held"
REPLAYED = "replayed"


class Answer(Struct, frozen=True):
    """`status` is 0 without an answer. `code` is a problem's code, `held`, `replayed`, `lost`,
    `refused`, or empty for any other success. `by` names the rate limit that refused it, if any."""

    status: int
    code: str = ""
    body: dict[str, Any] = field(default_factory=dict)
    retry_after_s: float = 0.0
    by: str = ""

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300


class Request(Struct, frozen=True):
    """`name` is the kind of request in reports; RESERVE has codes of its own."""

    name: str
    method: str
    path: str
    body: object = None
    token: str = ""
    key: str = ""

    def headers(self) -> dict[str, str]:
        """Token and idempotency key."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if self.key:
            headers["Idempotency-Key"] = self.key
        return headers

    def raw(self, authority: str) -> bytes:
        """The bytes of the request in HTTP/1.1."""
        body = b"" if self.body is None else _encode(self.body)
        head = f"{self.method} {self.path} HTTP/1.1\r\nHost: {authority}\r\n"
        if body or self.method != "GET":
            head += f"Content-Length: {len(body)}\r\n"
        if body:
            head += "Content-Type: application/json\r\n"
        if self.token:
            head += f"Authorization: Bearer {self.token}\r\n"
        if self.key:
            head += f"Idempotency-Key: {self.key}\r\n"
        return head.encode() + b"\r\n" + body


class Line(ABC):
    """Sends one request and returns its answer. Never raises for faults of the service."""

    async def ask(
        self,
        name: str,
        method: str,
        path: str,
        *,
        body: object = None,
        token: str = "",
        key: str = "",
    ) -> Answer:
        return await self.carry(Request(name, method, path, body, token, key))

    @abstractmethod
    async def carry(self, request: Request) -> Answer: ...


class Time(Protocol):
    """The clock of this machine, and a sleep."""

    def now_ms(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


T = TypeVar("T")


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine whose line and clock block. Raises RuntimeError if it needs an event loop."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    work.close()
    raise RuntimeError("this waits for an event loop")


RESERVE = "reserve"
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def read_answer(name: str, status: int, raw: bytes | None, retry_after: str | None) -> Answer:
    """Parse an answer. If that fails, its code is `unreadable`."""
    if not status:
        return Answer(0, LOST)
    try:
        body = _decode(raw) if raw else {}
    except msgspec.DecodeError:
        body = None
    if not isinstance(body, dict):
        return Answer(status, "unreadable")
    wait_s = float(retry_after) if retry_after and retry_after.isdigit() else 0.0
    if 200 <= status < 300:
        code = (CREATED if status == 201 else REPLAYED) if name == RESERVE else ""
        return Answer(status, code, body, wait_s)
    return Answer(
        status, str(body.get("code", "unreadable")), body, wait_s, str(body.get("by", ""))
    )


def counted_as(name: str, answer: Answer) -> str:
    """The tally line of an answer: `reserve|429|slow_down|address`."""
    return f"{name}|{answer.status or ''}|{answer.code}|{answer.by}"
