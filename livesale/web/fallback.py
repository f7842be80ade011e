"""What no route takes: 404, 405 with Allow, preflights, and expectations nobody meets."""

import re
import time
from collections.abc import Sequence

from aiohttp import web

from livesale.parts import Parts
from livesale.web.endpoint import Handle, hold_back
from livesale.web.headers import Joined
from livesale.web.limits import Limits
from livesale.web.problems import CONTENT_TYPE, Problem
from livesale.web.replies import Reply
from livesale.web.routes import Answer, Route
from livesale.web.site import Site
from livesale.web.traffic import Traffic, request_id_of


def make_fallback(routes: Sequence[Route], parts: Parts, traffic: Traffic) -> Handle:
    """A handler for every method and path that the routes do not take."""
    methods: dict[str, set[str]] = {}
    for route in routes:
        methods.setdefault(re.sub(r"{\w+}", "[^/]+", route.path), set()).add(route.method)
    known = [(re.compile(path).fullmatch, _allow(found)) for path, found in methods.items()]
    observe = traffic.observer("other", "unmatched")

    site = parts[Site]

    def answer(request: web.Request) -> Answer:
        forwarded = Joined(request.headers).get("X-Forwarded-For")
        parts[Limits].check_address(request.remote, forwarded, time.monotonic())
        for fits, allow in known:
            if fits(request.path):
                if request.method == "OPTIONS" and site.adds:
                    headers = site.preflight(request.headers, allow)
                    if headers is not None:
                        return Answer(200, b"", "text/plain", headers)
                raise Problem("method_not_allowed", headers={"Allow": allow})
        raise Problem("not_found")

    async def handle(request: web.Request) -> web.StreamResponse:
        began = time.monotonic()
        request_id = request_id_of(request.headers)
        code = ""
        try:
            found = answer(request)
        except Problem as problem:
            found, code = _answer(problem), problem.code
            await hold_back(parts[Limits], problem, request)
        observe(found.status, time.monotonic() - began, request_id, None, code)
        extra = site.headers(request.headers) if site.adds else ""
        return Reply(found, request_id, extra)

    return handle


async def expect(request: web.Request) -> web.StreamResponse | None:
    """aiohttp's own handler of `Expect`, with our form of refusal."""
    if request.version >= (1, 1):
        if request.headers["Expect"].lower() != "100-continue":
            problem = Problem("expectation_failed")
            return Reply(_answer(problem), request_id_of(request.headers))
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # Interim: what is counted of the final answer begins behind it.
        request.writer.output_size = 0
    return None


def _allow(methods: set[str]) -> str:
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))


def _answer(problem: Problem) -> Answer:
    return Answer(problem.status, problem.encode(), CONTENT_TYPE, problem.headers)
