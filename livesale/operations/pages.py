"""GET /, GET /metrics, GET /openapi.json, GET /asyncapi.json, GET /docs"""

from livesale.operations.exposition import Exposition
from livesale.parts import Parts
from livesale.telemetry.metrics import CONTENT_TYPE as PROMETHEUS
from livesale.web.documents import Documents
from livesale.web.routes import Answer, Call, Route

TEXT = "text/plain; charset=utf-8"


async def show_door(_parts: Parts, _call: Call) -> Answer:
    return Answer(303, b"", TEXT, {"Location": "/docs"})


async def show_metrics(parts: Parts, _call: Call) -> Answer:
    return Answer(200, await parts[Exposition].render(), PROMETHEUS)


async def show_openapi(parts: Parts, call: Call) -> Answer:
    return parts[Documents].openapi.answer(call.asked)


async def show_asyncapi(parts: Parts, call: Call) -> Answer:
    return parts[Documents].asyncapi.answer(call.asked)


async def show_docs(parts: Parts, call: Call) -> Answer:
    return parts[Documents].docs.answer(call.asked)


ROUTES = [
    Route(
        "GET",
        "/",
        show_door,
        "Redirects to /docs",
        "operations",
        {303: bytes},
        content_type="text/plain",
    ),
    Route(
        "GET",
        "/metrics",
        show_metrics,
        "Metrics for Prometheus, of all processes here; at most a second old",
        "operations",
        {200: bytes},
        content_type="text/plain",
    ),
    Route(
        "GET",
        "/openapi.json",
        show_openapi,
        "This interface as OpenAPI 3.1",
        "operations",
        {200: dict, 304: bytes},
        reads_headers=True,
    ),
    Route(
        "GET",
        "/asyncapi.json",
        show_asyncapi,
        "The events of live rooms as AsyncAPI 3.0",
        "operations",
        {200: dict, 304: bytes},
        reads_headers=True,
    ),
    Route(
        "GET",
        "/docs",
        show_docs,
        "This interface for people",
        "operations",
        {200: str, 304: bytes},
        content_type="text/html",
        reads_headers=True,
    ),
]
