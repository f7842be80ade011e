"""The server side of a connection: what is not even HTTP is answered by a problem, too."""

import asyncio
from typing import Any

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.web_protocol import RequestHandler

from livesale.http.problems import CONTENT_TYPE, Problem
from livesale.http.replies import Reply
from livesale.http.routes import Answer
from livesale.http.traffic import request_id_of

log = structlog.get_logger(__name__)


class Connection(RequestHandler):
    """aiohttp's, with problems where it would answer plain text or HTML."""

    __slots__ = ()

    def log_exception(self, *args: Any, **details: Any) -> None:
        """What aiohttp did not foresee: a body that is torn is its sender's fault, not ours."""
        torn = (HttpProcessingError, web.RequestPayloadError, ConnectionError)
        if isinstance(details.get("exc_info"), torn):
            self.log_debug(*args, **details)
        else:
            super().log_exception(*args, **details)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Sends an answer. aiohttp's own is to a target that is no path: `*`, or CONNECT's."""
        if isinstance(resp, web.HTTPException):
            problem = Problem("not_found")
            answer = Answer(problem.status, problem.encode(), CONTENT_TYPE)
            resp = Reply(answer, request_id_of(request.headers))
        return await super().finish_response(request, resp, start_time)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to a request that cannot be parsed, or that no handler of ours caught."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun already")
        if isinstance(exc, LineTooLong):
            problem = Problem("headers_too_large")
        elif 400 <= status < 500:
            problem = Problem("malformed_request")
        else:
            problem = Problem("internal_error")
            log.error("unforeseen fault", status=status, exc_info=exc)
        answer = Answer(problem.status, problem.encode(), CONTENT_TYPE)
        reply = Reply(answer, request_id_of(request.headers))
        reply.force_close()
        return reply


class _Server(web.Server):
    def __call__(self) -> RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)


class ApiRunner(web.AppRunner):
    """An AppRunner whose connections answer malformed requests as the rest of the API does."""

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        return _Server(
            server.request_handler,
            request_factory=server.request_factory,
            loop=asyncio.get_running_loop(),
            # Compressed bodies are refused, so nothing is ever unpacked.
            **{**server._kwargs, "auto_decompress": False},
        )
