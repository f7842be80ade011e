"""From a route to a handler of aiohttp: the checks of a request in order, the call, the answer.

In place of middlewares: each of those costs every request one more coroutine, and this is the way
that half a million buyers take. The order of the checks is what a stranger may learn: the rate of
the address, the token, the path, the buyer's rate, then headers, query and body.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog
from aiohttp import web

from livesale.http.limits import Limits
from livesale.http.parsing import (
    check_content_type,
    check_path,
    read_body,
    read_caller,
    read_key,
    read_query,
)
from livesale.http.problems import CONTENT_TYPE, Problem, problem_of
from livesale.http.replies import Reply
from livesale.http.routes import Answer, Call, Route
from livesale.http.services import Services
from livesale.http.traffic import Traffic, request_id_of
from livesale.identity.tokens import Buyer, Operator

BODY_TIMEOUT_S = 10.0

log = structlog.get_logger(__name__)

Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_handler(route: Route, services: Services, traffic: Traffic) -> Handle:
    """The handler of one route."""
    decoder: msgspec.json.Decoder[Any] | None = (
        msgspec.json.Decoder(route.body) if route.body else None
    )
    auth, limits, signer = route.auth, services.limits, services.signer
    by_buyer = auth == "buyer"
    observe = traffic.observer(route.method, route.path)
    max_bytes = services.deployment.settings.http.max_body_bytes
    site = services.site

    async def answer(request: web.Request, call: Call) -> Answer:
        headers = request.headers
        if route.limited:
            check_address(limits, request)
        if auth is not None:
            call.caller = read_caller(signer, auth, headers)
        if call.path:
            check_path(call.path)
        if by_buyer:
            limits.check_buyer(call.buyer_id)
        if route.keyed:
            call.key = read_key(headers)
        if route.query is not None or request.query_string:
            call.query = read_query(route.query, request.query)
        if route.signed:
            call.raw = await _read(request, max_bytes) if request.body_exists else b""
            call.headers = headers
        elif decoder is not None:
            raw = await _read(request, max_bytes) if request.body_exists else b""
            if raw:
                check_content_type(headers)
                call.body = read_body(decoder, raw)
            elif route.default_body is not None:
                call.body = route.default_body
            else:
                raise Problem("malformed_json", "A body is needed.")
        return await route.handler(services, call)

    async def handle(request: web.Request) -> web.StreamResponse:
        began = time.perf_counter()
        traffic.in_flight += 1
        request_id = request_id_of(request.headers)
        call = Call(request.match_info)
        code = ""
        try:
            found = await answer(request, call)
        except asyncio.CancelledError:
            traffic.in_flight -= 1
            raise
        except Exception as fault:  # the last line: whatever it is becomes a problem, and is logged
            problem = problem_of(fault)
            if problem is None:
                log.exception("unforeseen fault", route=route.path, request_id=request_id)
                problem = Problem("internal_error")
            code = problem.code
            found = Answer(problem.status, problem.encode(), CONTENT_TYPE, problem.headers)
        extra = site.headers(request.headers) if site.adds else ""
        reply = Reply(found, request_id, extra)
        if services.draining.draining:
            reply.force_close()
        traffic.in_flight -= 1
        observe(found.status, time.perf_counter() - began, request_id, _name(call.caller), code)
        if found.rid is not None:
            traffic.made(found.rid, request_id)
        if route.changes and isinstance(call.caller, Operator):
            _audit(route, call, found.status, code, request_id)
        return reply

    return handle


def check_address(limits: Limits, request: web.Request) -> None:
    """Count the request for its client's address. Raises Problem("slow_down")."""
    forwarded = request.headers.getall("X-Forwarded-For", ())
    # A unix socket has no peer's name: whoever may open it is on this machine.
    client = limits.client(request.remote or "127.0.0.1", ",".join(forwarded))
    if client is not None:
        limits.check_address(client)


async def _read(request: web.Request, max_bytes: int) -> bytes:
    """The whole body. Raises Problem when it is too large, too slow, or torn.

    A client that hangs up in the middle is no fault of ours: nobody reads the answer, and it counts
    among what clients did wrong.
    """
    length = request.content_length
    if length is not None and length > max_bytes:
        raise _too_large(max_bytes)
    try:
        if request.content.is_eof():  # it came along with the headers: no clock is needed
            raw = request.content.read_nowait()
            if len(raw) > max_bytes:
                raise _too_large(max_bytes)
            return raw
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise _too_large(max_bytes) from None
    except TimeoutError:
        raise Problem("request_timeout", headers={"Connection": "close"}) from None
    except (web.RequestPayloadError, ValueError, ConnectionError) as error:
        log.debug("torn body", fault=type(error).__name__)
        raise Problem("malformed_body", type(error).__name__) from None


def _too_large(max_bytes: int) -> Problem:
    return Problem("body_too_large", f"At most {max_bytes} bytes.")


def _name(caller: Buyer | Operator | None) -> str | None:
    return caller.buyer_id if isinstance(caller, Buyer) else caller.name if caller else None


def _audit(route: Route, call: Call, status: int, code: str, request_id: str) -> None:
    log.info(
        "operator acted",
        operator=call.operator,
        action=f"{route.method} {route.path}",
        **call.path,
        asked=msgspec.to_builtins(call.body) if call.body is not None else None,
        status=status,
        problem=code or None,
        request_id=request_id,
    )
