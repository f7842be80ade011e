"""The checks of a request in order, the call, the answer; and an aiohttp handler made of them.

There are no middlewares: each would cost every request one more coroutine, and half a million
buyers go this way. The order of the checks decides what a stranger can learn: the rate of the
address, the token, the path, the buyer's rate, then headers, query and body.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog
from aiohttp import HttpVersion11, web
from multidict import MultiMapping

from livesale.action_log.record import Deed, Record
from livesale.action_log.store import Outcome
from livesale.parts import Parts
from livesale.tasks.turns import WORKS_FOR, Client
from livesale.telemetry.repeats import Every
from livesale.tokens.signing import Buyer, Operator, TokenSigner
from livesale.web.draining import Draining
from livesale.web.files import read_bounded, read_file, too_large
from livesale.web.headers import Headers, Joined
from livesale.web.limits import Limits
from livesale.web.metrics import PROBLEMS
from livesale.web.parsing import (
    check_caller,
    check_content_type,
    check_path,
    read_body,
    read_caller,
    read_key,
    read_query,
)
from livesale.web.places import Places
from livesale.web.problems import CONTENT_TYPE, Problem, problem_of
from livesale.web.replies import Handover, Reply
from livesale.web.routes import Answer, Call, Route
from livesale.web.sessions import Cookies, OperatorSessions, check_csrf
from livesale.web.site import Site
from livesale.web.traffic import Traffic, request_id_of

BODY_TIMEOUT_S = 10.0
HIDDEN = "[hidden]"  # in logs, instead of a secret

_ACTED = Every("operator acted")

log = structlog.get_logger(__name__)

Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Endpoint:
    """One route: the checks of its requests, in order, and what is noted of each answer.

    Both lanes run these, aiohttp's handlers and livesale.sales.fast_lane: no check stands twice.
    """

    def __init__(self, route: Route, parts: Parts, traffic: Traffic) -> None:
        self.route = route
        self.parts = parts
        self.traffic = traffic
        settings = parts.deployment.settings
        own = route.max_bytes
        self.max_bytes = own(settings) if own else settings.http.max_body_bytes
        self._limits, self._signer = parts[Limits], parts[TokenSigner]
        self.takes_sessions = route.auth in ("operator", "member")
        self._cookies = parts[Cookies]
        self._counts_buyers = route.auth in ("buyer", "member")
        self._decoder: msgspec.json.Decoder[Any] | None = (
            msgspec.json.Decoder(route.body) if route.body else None
        )
        self.observe = traffic.observer(route.method, route.path)

    @property
    def reads_body(self) -> bool:
        return self._decoder is not None

    async def find_session(
        self, call: Call, headers: Headers, remote: str | None, now_s: float
    ) -> None:
        """Who asks, by the cookie of a session, if there is one and no bearer token: before
        `check_head`. Raises Problem, IdentityFault or StoreUnavailable."""
        if headers.get("Authorization") is not None:
            return
        token = self._cookies.read(headers)
        if token is None:
            return
        if self.route.limited:
            self._limits.check_address(remote, headers.get("X-Forwarded-For"), now_s)
        caller = await self.parts[OperatorSessions].find(token)
        check_csrf(self.route.method, token, headers)
        check_caller(self.route, caller)
        call.caller = caller

    def check_head(
        self,
        call: Call,
        headers: Headers,
        remote: str | None,
        now_s: float,
        query: "MultiMapping[str] | None" = None,
    ) -> None:
        """All that is known before the body is. Raises Problem or IdentityFault.

        `remote` is the peer's address, `now_s` by `time.monotonic`; `query` is None where the route
        takes none and none came.
        """
        route = self.route
        if call.caller is None:
            if route.limited:
                self._limits.check_address(remote, headers.get("X-Forwarded-For"), now_s)
            if route.auth is not None:
                call.caller = read_caller(self._signer, route, headers)
        if call.path:
            check_path(call.path)
        if self._counts_buyers and isinstance(call.caller, Buyer):
            self._limits.check_buyer(call.caller.buyer_id, now_s)
        if route.keyed:
            call.key = read_key(headers)
        if query is not None:
            call.query = read_query(route.query, query)

    def check_body(self, call: Call, headers: Headers, raw: bytes) -> None:
        """Read the whole body, of a route that `reads_body`. Raises Problem."""
        if raw:
            check_content_type(headers)
        call.body = self.read(raw)

    def client_of(self, call: Call, headers: Headers, remote: str | None) -> Client:
        """Who asks, as `livesale.tasks.turns` counts it."""
        if call.caller is not None:
            return Client(call.name)
        key = self._limits.client(remote, headers.get("X-Forwarded-For"))
        return Client(key, stranger=self.route.for_strangers)

    def read(self, raw: bytes) -> Any:
        """The body as the route's type, or what an empty one means. Raises Problem."""
        assert self._decoder is not None  # noqa: S101
        if raw:
            return read_body(self._decoder, raw)
        if self.route.default_body is None:
            raise Problem("malformed_json", "A body is required.")
        return self.route.default_body

    async def act(self, call: Call, request_id: str) -> Answer:
        """What an operator asks for, or those who run a room: recorded before it is done.

        Of buyers, those are recorded whom the room admits: `livesale.rooms.members`.
        """
        route = self.route
        deed = Deed(
            actor=call.name,
            action=f"{route.method} {route.path}",
            object_id=list(call.path.values())[-1] if call.path else "",
            asked=dict(call.path) | _all_asked(route, call),
            request_id=request_id,
        )
        record = Record(self.parts.deployment.sql, deed)
        with record.current():
            if isinstance(call.caller, Operator):
                await record.begin()
            try:
                found = await route.handler(self.parts, call)
            except Exception as fault:
                problem = problem_of(fault) or Problem("internal_error")
                outcome = Outcome.REFUSED if problem.status < 500 else Outcome.FAILED
                await record.conclude(outcome, problem.code)
                raise
            await record.conclude(Outcome.DONE, str(found.status))
            return found

    def refusal(self, fault: Exception, request_id: str) -> tuple[Answer, str]:
        """The last line: whatever the fault is becomes a problem. Its answer, and its code."""
        problem = problem_of(fault)
        if problem is None:
            log.error(
                "unexpected error", route=self.route.path, request_id=request_id, exc_info=fault
            )
            problem = Problem("internal_error")
        PROBLEMS[problem.code] += 1
        answer = Answer(problem.status, problem.encode(), CONTENT_TYPE, problem.headers)
        return answer, problem.code

    def note(self, call: Call, found: Answer, code: str, took_s: float, request_id: str) -> None:
        """Count and log an answer; `code` is that of its problem, if it is one of a fault."""
        self.observe(found.status, took_s, request_id, call.caller, code)
        if found.rid is not None:
            self.traffic.made(found.rid, request_id)
        if self.route.changes and isinstance(call.caller, Operator):
            _audit(self.route, call, found.status, code, request_id)


def make_handler(endpoint: Endpoint) -> Handle:
    """The handler of one route."""
    route, parts, traffic = endpoint.route, endpoint.parts, endpoint.traffic
    max_bytes, site, reads_body = endpoint.max_bytes, parts[Site], endpoint.reads_body

    async def answer(
        request: web.Request, call: Call, headers: Headers, began_s: float, request_id: str
    ) -> Answer:
        forwarded = headers.get("X-Forwarded-For")
        if forwarded is not None and route.limited:
            parts[Places].begin(request.protocol, parts[Limits].keys(request.remote, forwarded))
        if not route.limited:
            delay_s = parts[Limits].unrefused_delay_s(request.remote, forwarded, began_s)
            if delay_s:
                await asyncio.sleep(delay_s)
        if endpoint.takes_sessions:
            await endpoint.find_session(call, headers, request.remote, began_s)
        is_checked = route.query is not None or (request.query_string and not route.any_query)
        query = request.query if is_checked else None
        endpoint.check_head(call, headers, request.remote, began_s, query)
        if route.upgrades:
            call.headers = request.headers
            call.keys = parts[Limits].keys(request.remote, forwarded)
        elif route.reads_headers:
            call.headers = request.headers
            call.source = parts[Limits].source(request.remote, forwarded)
            call.request_id = request_id
        elif route.signed:
            call.raw = await _read(request, max_bytes) if request.body_exists else b""
            call.headers = request.headers
            call.source = parts[Limits].source(request.remote, forwarded)
        elif route.files:
            call.raw = await read_file(request, max_bytes)
        if reads_body:
            raw = await _read(request, max_bytes) if request.body_exists else b""
            endpoint.check_body(call, headers, raw)
        # Only now, and not for longer: a socket that this request begins is another matter.
        token = WORKS_FOR.set(endpoint.client_of(call, headers, request.remote))
        try:
            if route.changes:
                return await endpoint.act(call, request_id)
            return await route.handler(parts, call)
        finally:
            WORKS_FOR.reset(token)

    async def handle(request: web.Request) -> web.StreamResponse:
        began_s = time.monotonic()
        traffic.in_flight += 1
        headers = Joined(request.headers)
        request_id = request_id_of(headers)
        call = Call(request.match_info)
        code = ""
        try:
            found = await answer(request, call, headers, began_s, request_id)
            if found.upgrade is not None and not _may_upgrade(request):
                raise upgrade_required()
        except asyncio.CancelledError:
            traffic.in_flight -= 1
            raise
        except Exception as fault:
            found, code = endpoint.refusal(fault, request_id)
            if code == "slow_down":
                try:
                    await hold_back(parts[Limits], fault, request)
                except asyncio.CancelledError:
                    traffic.in_flight -= 1
                    raise
        extra = site.headers(headers) if site.adds else ""
        reply: web.StreamResponse
        if found.upgrade is None:
            reply = Reply(found, request_id, extra)
        else:
            reply = Handover()
            if request.transport is not None:  # its client is still there
                # Now: aiohttp takes what came behind a request that it answers itself for another.
                found.upgrade(request.protocol, request_id, extra)
        if parts[Draining].draining:
            reply.force_close()
        traffic.in_flight -= 1
        endpoint.note(call, found, code, time.monotonic() - began_s, request_id)
        return reply

    return handle


async def hold_back(limits: Limits, fault: Exception, request: web.Request) -> None:
    """Wait before refusing who goes on asking from an address that asked too often."""
    if not isinstance(fault, Problem) or fault.members.get("by") != "address":
        return
    forwarded = Joined(request.headers).get("X-Forwarded-For")
    delay_s = limits.refusal_delay_s(request.remote, forwarded, time.monotonic(), waits=True)
    if delay_s:
        await asyncio.sleep(delay_s)


def _may_upgrade(request: web.Request) -> bool:
    """RFC 6455, section 4.2.1: a GET of HTTP/1.1; a body would be read as frames."""
    return request.method == "GET" and request.version >= HttpVersion11 and not request.body_exists


def upgrade_required() -> Problem:
    return Problem(
        "upgrade_required", headers={"Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    )


async def _read(request: web.Request, max_bytes: int) -> bytes:
    """The whole body. Raises Problem when it is too large, too slow, or torn.

    A client that hangs up in the middle is no fault of ours: nobody reads the answer, and it counts
    among what clients did wrong.
    """
    length = request.content_length
    if length is not None and length > max_bytes:
        raise too_large(max_bytes)
    try:
        if request.content.is_eof():  # it came along with the headers: no clock is needed
            raw = request.content.read_nowait()
            if len(raw) > max_bytes:
                raise too_large(max_bytes)
            return raw
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await read_bounded(request, max_bytes)
    except TimeoutError:
        raise Problem("request_timeout", headers={"Connection": "close"}) from None
    except (web.RequestPayloadError, ValueError, ConnectionError) as error:
        error.__traceback__ = None  # the body keeps the fault, and this would keep the body
        log.debug("incomplete body", fault=type(error).__name__)
        raise Problem("malformed_body", type(error).__name__) from None


def _all_asked(route: Route, call: Call) -> dict[str, Any]:
    """What the record of an action says of its body."""
    return {"file_bytes": len(call.raw)} if route.files else {"body": _asked(route, call)}


def _asked(route: Route, call: Call) -> Any:
    """The body as logs may have it."""
    if call.body is None:
        return None
    asked = msgspec.to_builtins(call.body)
    for name in route.hides:
        if asked.get(name) is not None:
            asked[name] = HIDDEN
    return asked


def _audit(route: Route, call: Call, status: int, code: str, request_id: str) -> None:
    log.info(
        _ACTED,
        operator=call.operator,
        action=f"{route.method} {route.path}",
        **call.path,
        asked=_asked(route, call),
        status=status,
        problem=code or None,
        request_id=request_id,
    )
