"""How people of a load test ask the service, whatever carries their requests. No I/O."""

from abc import ABC, abstractmethod
from typing import Any, Protocol

import msgspec
from msgspec import Struct, field

LOST = "lost"  # no answer came: it may have taken effect
CREATED = "held"
REPLAYED = "replayed"


class Answer(Struct, frozen=True):
    """`status` is 0 where no answer came. `code` is a problem's code, `held`, `replayed`, `lost`,
    or empty for any other success. `by` says whose rate was too high, where one was."""

    status: int
    code: str = ""
    body: dict[str, Any] = field(default_factory=dict)
    retry_after_s: float = 0.0
    by: str = ""

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300


class Request(Struct, frozen=True):
    """`name` is what the reports call this kind of request; RESERVE has codes of its own."""

    name: str
    method: str
    path: str
    body: object = None
    token: str = ""
    key: str = ""

    def headers(self) -> dict[str, str]:
        """Who asks, and under which key."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if self.key:
            headers["Idempotency-Key"] = self.key
        return headers


class Line(ABC):
    """Carries one request and its answer. Never raises for what the service does."""

    def ask(
        self,
        name: str,
        method: str,
        path: str,
        *,
        body: object = None,
        token: str = "",
        key: str = "",
    ) -> Answer:
        return self.carry(Request(name, method, path, body, token, key))

    @abstractmethod
    def carry(self, request: Request) -> Answer: ...


class Time(Protocol):
    """The clock of this machine, and waiting."""

    def now_ms(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


RESERVE = "reserve"
_decode = msgspec.json.Decoder().decode


def read_answer(name: str, status: int, raw: bytes | None, retry_after: str | None) -> Answer:
    """What came back, for a person. An answer that cannot be read is `unreadable`."""
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
    """The line of the tally that an answer belongs to: `reserve|429|slow_down|address`."""
    return f"{name}|{answer.status or ''}|{answer.code}|{answer.by}"
