"""The list of features, and the API of one worker that is made of them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager

import msgspec
from aiohttp import web

from livesale.alerts.feature import feature as alerts
from livesale.catalogue.feature import feature as catalogue
from livesale.cockpit.feature import feature as cockpit
from livesale.console.feature import feature as console
from livesale.door.feature import feature as door
from livesale.faces.feature import feature as faces
from livesale.feature import (
    Feature,
    events_of,
    frames_of,
    notices_of,
    routes_of,
    sockets_of,
    uses_of,
)
from livesale.identity.feature import feature as identity
from livesale.identity.operators.feature import feature as operators
from livesale.identity.profiles.feature import feature as profiles
from livesale.launch.feature import feature as launch
from livesale.line.feature import feature as line
from livesale.links.feature import feature as links
from livesale.mine.feature import feature as mine
from livesale.notices.feature import feature as notices
from livesale.operations.exposition import Exposition
from livesale.operations.feature import feature as operations
from livesale.orders.feature import feature as orders
from livesale.parts import Makers, Parts
from livesale.payments.feature import feature as payments
from livesale.payments.gateway import PayGateway
from livesale.pickup.feature import feature as pickup
from livesale.reminders.feature import feature as reminders
from livesale.resources import Deployment
from livesale.results.feature import feature as results
from livesale.rooms.bags.feature import feature as bags
from livesale.rooms.channel import asyncapi
from livesale.rooms.channel.feature import feature as channel
from livesale.rooms.channel.frames import Frames
from livesale.rooms.feature import feature as rooms
from livesale.rooms.history.feature import feature as history
from livesale.rooms.ingest.feature import feature as ingest
from livesale.rooms.numbers.feature import feature as numbers
from livesale.rooms.people.feature import feature as people
from livesale.sales.feature import feature as sales
from livesale.seeds.feature import feature as seeds
from livesale.shares.feature import feature as shares
from livesale.shop.feature import feature as shop
from livesale.spreadsheets.feature import feature as spreadsheets
from livesale.tasks.clock import Clock
from livesale.tokens.keyring import Keyring
from livesale.tokens.signing import TokenSigner
from livesale.validation.uses import Uses
from livesale.web import docs_page, openapi
from livesale.web.documents import Document, Documents
from livesale.web.draining import Draining
from livesale.web.endpoint import Endpoint, make_handler
from livesale.web.fallback import expect, make_fallback
from livesale.web.limits import Limits
from livesale.web.places import Places
from livesale.web.protocol import CONNECT, PLACES
from livesale.web.sessions import Cookies
from livesale.web.site import Site
from livesale.web.traffic import Traffic

# What is asked most often stands first: aiohttp looks for a route in this order.
FEATURES: Sequence[Feature] = (
    sales,
    line,
    payments,
    catalogue,
    notices,
    channel,
    people,
    history,
    rooms,
    ingest,
    bags,
    numbers,
    reminders,
    orders,
    pickup,
    mine,
    identity,
    alerts,
    operators,
    profiles,
    spreadsheets,
    shop,
    faces,
    console,
    shares,
    links,
    door,
    operations,
    launch,
    results,
    cockpit,
    seeds,
)
ROUTES = routes_of(FEATURES)
EVENTS = events_of(FEATURES)
SOCKETS = sockets_of(FEATURES)
NOTICES = notices_of(FEATURES)

PARTS = web.AppKey("parts", Parts)

_BASE: Makers = {
    Clock: lambda parts: Clock(parts.deployment.engine),
    Cookies: lambda parts: Cookies(parts.deployment.settings),
    Draining: lambda _: Draining(),
    Keyring: lambda parts: Keyring.from_settings(parts.deployment.settings),
    Limits: lambda parts: Limits(parts.deployment.settings),
    Places: lambda parts: Places(parts.deployment.settings.http),
    Site: lambda parts: Site(parts.deployment.settings.http),
    TokenSigner: lambda parts: TokenSigner.from_settings(parts.deployment.settings),
    Traffic: lambda parts: Traffic(parts.deployment.settings.http.access_log_sample),
}
_BASE_RUNNING = (Clock, Traffic)


def make_parts(deployment: Deployment, features: Sequence[Feature] = FEATURES) -> Parts:
    """The parts of one process. Called inside the event loop that will use them."""
    derived: Makers = {
        Frames: lambda _: Frames(frames_of(features)),
        Uses: lambda _: Uses(uses_of(features)),
        Documents: lambda parts: describe(features, parts[Frames]),
    }
    return Parts(deployment, (_BASE, derived, *(feature.parts for feature in features)))


def build_app(
    deployment: Deployment,
    features: Sequence[Feature] = FEATURES,
    *,
    exposition: Callable[[], Awaitable[bytes]] | None = None,
    gateway: PayGateway | None = None,
) -> web.Application:
    """The application; called inside the event loop that will run it.

    `exposition` is what /metrics answers, `gateway` takes the payments; those of the features and
    the settings unless given.
    """
    app = web.Application(client_max_size=deployment.settings.http.max_body_bytes)
    parts = make_parts(deployment, features)
    if exposition is not None:
        parts[Exposition] = Exposition(exposition)
    if gateway is not None:
        parts[PayGateway] = gateway
    app[PARTS] = parts
    app[PLACES] = parts[Places]
    _route(app, parts, features)
    running = (*_BASE_RUNNING, *(kind for feature in features for kind in feature.running))
    app.cleanup_ctx.extend(_while_running(parts[kind].running) for kind in running)
    return app


def describe(features: Sequence[Feature], frames: Frames) -> Documents:
    """The documents of the API, made from what the features bring."""
    routes = routes_of(features)
    document = openapi.describe(routes)
    events = asyncapi.describe(
        frames, events_of(features), sockets_of(features), notices_of(features)
    )
    return Documents(
        openapi=Document(msgspec.json.encode(document)),
        asyncapi=Document(msgspec.json.encode(events)),
        docs=Document(docs_page.render(routes, document), docs_page.HTML, docs_page.HEADERS),
    )


def _route(app: web.Application, parts: Parts, features: Sequence[Feature]) -> None:
    traffic, routes = parts[Traffic], routes_of(features)
    lanes = [feature.lane for feature in features if feature.lane is not None]
    resources: dict[str, web.Resource] = {}  # aiohttp makes them slowly: one a path is enough
    for route in routes:
        endpoint = Endpoint(route, parts, traffic)
        handler = make_handler(endpoint)
        for hot, make_lane in lanes if parts.deployment.settings.http.fast_lane else ():
            if hot is route:
                unlimited = (other.path.encode() for other in routes if not other.limited)
                app[CONNECT] = make_lane(endpoint, unlimited).connect
        resource = resources.get(route.path)
        if resource is None:
            resource = resources[route.path] = app.router.add_resource(route.path)
        resource.add_route(route.method, handler, expect_handler=expect)
        if route.method == "GET":
            resource.add_route("HEAD", handler, expect_handler=expect)
    fallback = make_fallback(routes, parts, traffic)
    app.router.add_route("*", "/{path:.*}", fallback, expect_handler=expect)


def _while_running(
    part: Callable[[], AbstractAsyncContextManager[None]],
) -> Callable[[web.Application], AsyncIterator[None]]:
    """A part with a beginning and an end, in the form that aiohttp asks for."""

    async def context(_app: web.Application) -> AsyncIterator[None]:
        async with part():
            yield

    return context
