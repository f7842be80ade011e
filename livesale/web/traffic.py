"""What is seen of the requests: metrics, the sampled access log, request ids, who made what."""

import asyncio
import os
import random
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count

import structlog

from livesale.telemetry.logs import Harmless
from livesale.telemetry.repeats import Every
from livesale.tokens.signing import Buyer, Operator
from livesale.web.headers import Headers
from livesale.web.metrics import HTTP_IN_FLIGHT, HTTP_REQUESTS, HTTP_SECONDS

_RESERVED, _SAMPLED = Every("reserved"), Every("request")

access = structlog.get_logger("livesale.access")

SAMPLE_GAP_S = 0.02  # between two sampled lines: under load a line costs more than a request
MADE_TOGETHER = 256
TELL_S = 0.5  # what a worker that is killed may not have logged yet

Observe = Callable[[int, float, str, Buyer | Operator | None, str], None]

SANE_ID = r"[A-Za-z0-9_.:-]{1,64}"

_is_sane = re.compile(SANE_ID).fullmatch
_prefix = ""
_next = count(1).__next__


def _renew_prefix() -> None:
    global _prefix
    _prefix = secrets.token_hex(5)


_renew_prefix()
os.register_at_fork(after_in_child=_renew_prefix)  # or workers would give out each other's ids


def request_id_of(headers: Headers) -> str:
    """The caller's X-Request-Id when it is sane, else a new one."""
    given = headers.get("X-Request-Id")
    if given is not None and _is_sane(given):
        return given
    return new_request_id()


def new_request_id() -> str:
    return f"{_prefix}-{_next():x}"


class Traffic:
    """One per worker. `in_flight` counts the requests that are being answered.

    Every reservation that was made is logged with the request that made it, sampled or not: the rid
    is the order's and the ledger's id. They are logged together, for a line of its own costs more
    than the rest of the request (120 µs).
    """

    def __init__(self, sample: float) -> None:
        self.in_flight = 0
        self._sample = sample
        self._next_sample_s = 0.0
        self._made: list[str] = []
        self._timer: asyncio.TimerHandle | None = None
        HTTP_IN_FLIGHT.set_function(lambda: self.in_flight)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """At the end, log what was noted last."""
        yield
        self.tell()

    def made(self, rid: str, request_id: str) -> None:
        """Note that this request made this reservation."""
        self._made.append(f"{rid} {request_id}")
        if len(self._made) >= MADE_TOGETHER:
            self.tell()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TELL_S, self.tell)

    def tell(self) -> None:
        """Log what was noted."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._made:
            made, self._made = ", ".join(self._made), []
            # Ids of ours have no dot, colon or sign of equality; nor is there a secret without one.
            # A caller's request id may be anything that is sane: then the text is looked through.
            harmless = "." not in made and ":" not in made
            access.info(_RESERVED, made=Harmless(made) if harmless else made)

    def _may_sample(self) -> bool:
        """Whether the gap to the last sampled line is over; there is none if all are logged."""
        now_s = time.monotonic()
        if self._sample < 1 and now_s < self._next_sample_s:
            return False
        self._next_sample_s = now_s + SAMPLE_GAP_S
        return True

    def observer(self, method: str, route: str) -> Observe:
        """A function that notes one answer of this route; faults of ours are logged unsampled."""
        note_span = HTTP_SECONDS.of(route).observe
        answers = HTTP_REQUESTS.row(method, route)
        sample = self._sample

        def observe(
            status: int, took_s: float, request_id: str, caller: Buyer | Operator | None, code: str
        ) -> None:
            answers[status] += 1
            note_span(took_s)
            if status >= 500 or (random.random() < sample and self._may_sample()):
                # The template, not the target: a query may hold anything.
                access.info(
                    "request" if status >= 500 else _SAMPLED,
                    method=method,
                    route=route,
                    status=status,
                    problem=code or None,
                    caller=_name(caller),
                    ms=round(took_s * 1000, 2),
                    request_id=request_id,
                )

        return observe


def _name(caller: Buyer | Operator | None) -> str | None:
    return caller.buyer_id if isinstance(caller, Buyer) else caller.name if caller else None
