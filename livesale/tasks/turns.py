"""Turns at a scarce resource: a client with many requests delays only its own.

There are two: SQL connections for public reads, and calls to outside services.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar

from msgspec import Struct

from livesale.errors import LivesaleError
from livesale.tasks.rates import RateLimit


class Client(Struct, frozen=True):
    """The client of a request: a buyer, an operator or an address. A stranger has no token."""

    key: str = ""
    stranger: bool = False


ITSELF = Client()  # the service itself, not a request
WORKS_FOR: ContextVar[Client] = ContextVar("WORKS_FOR", default=ITSELF)


class Crowded(LivesaleError):
    """Too many wait, or this one has waited too long. Nothing was started."""


class Turns:
    """At most `at_once` inside, at most `each` of them with one key, at most `per_s` a second.

    Waiting callers enter round robin by key, and in order within a key. At most `max_waiting` in
    total and `max_each` of one key wait, for `wait_s` at most. `per_s` allows a burst of one
    second; None means no rate limit.
    """

    def __init__(
        self,
        at_once: int,
        *,
        each: int,
        max_waiting: int,
        max_each: int,
        wait_s: float,
        per_s: float | None = None,
    ) -> None:
        self._at_once, self._each = at_once, each
        self._max_waiting, self._max_each = max_waiting, max_each
        self._wait_s = wait_s
        self._rate = RateLimit(per_s, max(1, round(per_s))) if per_s is not None else None
        self._inside: dict[str, int] = {}
        self._all_inside = 0
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}  # the next key is first
        self._all_waiting = 0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        return self._all_waiting

    @asynccontextmanager
    async def passing(self, key: str) -> AsyncIterator[None]:
        """Wait for a turn; the block is inside. Raises Crowded."""
        await self._enter(key)
        try:
            yield
        finally:
            self._leave(key)

    async def _enter(self, key: str) -> None:
        if key not in self._waiting and self._may_enter(key):
            self._count_in(key)
            return
        line = self._waiting.get(key, ())
        if self._all_waiting >= self._max_waiting or len(line) >= self._max_each:
            raise Crowded("too many wait")
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, deque()).append(place)
        self._all_waiting += 1
        self._let_in()  # sets the timer of the rate
        try:
            async with asyncio.timeout(self._wait_s):
                await place
        except BaseException as why:
            if place.done() and not place.cancelled():
                self._leave(key)  # let in and cancelled at the same time
            else:
                self._forget(key, place)
            if isinstance(why, TimeoutError):
                raise Crowded("waited too long") from None
            raise

    def _leave(self, key: str) -> None:
        self._all_inside -= 1
        self._inside[key] -= 1
        if not self._inside[key]:
            del self._inside[key]
        self._let_in()

    def _may_enter(self, key: str) -> bool:
        has_place = self._all_inside < self._at_once and self._inside.get(key, 0) < self._each
        return has_place and self._rate_wait_s() <= 0

    def _rate_wait_s(self) -> float:
        if self._rate is None:
            return 0.0
        return self._rate.would_wait_s("", asyncio.get_running_loop().time())

    def _count_in(self, key: str) -> None:
        self._all_inside += 1
        self._inside[key] = self._inside.get(key, 0) + 1
        if self._rate is not None:
            self._rate.wait_s("", asyncio.get_running_loop().time())

    def _let_in(self) -> None:
        entered = True
        while entered and self._all_inside < self._at_once:
            entered = False
            for key in list(self._waiting):
                wait_s = self._rate_wait_s()
                if wait_s > 0:
                    self._call_back(wait_s)
                    return
                if not self._may_enter(key):
                    continue
                line = self._waiting.pop(key)  # move the key to the end if more of it wait
                place = line.popleft()
                if line:
                    self._waiting[key] = line
                self._all_waiting -= 1
                if not place.done():  # else its caller was just cancelled
                    self._count_in(key)
                    place.set_result(None)
                entered = True

    def _call_back(self, seconds: float) -> None:
        if self._timer is None:

            def ring() -> None:
                self._timer = None
                self._let_in()

            self._timer = asyncio.get_running_loop().call_later(max(seconds, 0.001), ring)

    def _forget(self, key: str, place: "asyncio.Future[None]") -> None:
        line = self._waiting.get(key, deque())
        if place in line:
            line.remove(place)
            self._all_waiting -= 1
            if not line:
                del self._waiting[key]
