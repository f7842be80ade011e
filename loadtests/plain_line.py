"""A line over the standard library: for what is asked before and after a load test, not in it."""

import http.client
import time
from types import TracebackType

import msgspec

from loadtests.line import Answer, read_answer
from loadtests.target import Target, connect

ANSWER_S = 15.0


class PlainLine:
    """One connection, made again when it is gone. A context manager."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._connection = connect(target, ANSWER_S)

    def __enter__(self) -> "PlainLine":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._connection.close()

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
        """See loadtests.line.Line."""
        raw = None if body is None else msgspec.json.encode(body)
        try:
            self._connection.request(method, path, raw, headers_of(raw is not None, token, key))
            response = self._connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return read_answer(name, 0, None, None)
        return read_answer(name, response.status, content, response.headers.get("Retry-After"))


def headers_of(json: bool, token: str, key: str) -> dict[str, str]:
    """The headers of a request of this API."""
    headers = {"Content-Type": "application/json"} if json else {}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    if key:
        headers["Idempotency-Key"] = key
    return headers


class WallTime:
    """The clock of this machine."""

    def now_ms(self) -> float:
        return time.time() * 1000

    def sleep(self, seconds: float) -> None:
        time.sleep(max(0.0, seconds))
