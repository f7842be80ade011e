"""A blocking line over the standard library, for programs without an event loop."""

import http.client
import time
from types import TracebackType

import msgspec

from loadtests.line import Answer, Line, Request, read_answer
from loadtests.target import Target, connect

ANSWER_S = 15.0


class PlainLine(Line):
    """One connection, which reconnects. A context manager."""

    def __init__(self, target: Target, answer_s: float = ANSWER_S) -> None:
        self._connection = connect(target, answer_s)

    def __enter__(self) -> "PlainLine":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._connection.close()

    async def carry(self, request: Request) -> Answer:
        headers, raw = request.headers(), None
        if request.body is not None:
            headers["Content-Type"] = "application/json"
            raw = msgspec.json.encode(request.body)
        try:
            self._connection.request(request.method, request.path, raw, headers)
            response = self._connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return read_answer(request.name, 0, None, None)
        wait = response.headers.get("Retry-After")
        return read_answer(request.name, response.status, content, wait)


class WallTime:
    """The clock of this machine."""

    def now_ms(self) -> float:
        return time.time() * 1000

    async def sleep(self, seconds: float) -> None:
        time.sleep(max(0.0, seconds))  # noqa: ASYNC251  it blocks, as the line does
