"""The API of one worker, put together. The only place that knows all parts."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import msgspec
from aiohttp import web

from livesale import metrics
from livesale.clock import Clock
from livesale.deployment import Deployment
from livesale.http import asyncapi, docs_page, openapi
from livesale.http.documents import Document
from livesale.http.endpoint import Endpoint, make_handler
from livesale.http.fallback import expect, make_fallback
from livesale.http.fast_lane import FastLane
from livesale.http.greetings import make_frames
from livesale.http.health import Health
from livesale.http.hooks_gate import Gate
from livesale.http.hub import HUB, Hub
from livesale.http.limits import Limits
from livesale.http.places import Places
from livesale.http.protocol import CONNECT, PLACES
from livesale.http.reservations import RESERVE
from livesale.http.services import Draining, Services
from livesale.http.site import Site
from livesale.http.socket import frame_of
from livesale.http.table import ROUTES
from livesale.http.traffic import Traffic
from livesale.identity.challenges import Challenges
from livesale.identity.keyring import Keyring
from livesale.identity.login import DevLogin, LoginProvider, WeChatLogin
from livesale.identity.publish_keys import PublishKeys
from livesale.identity.sessions import Sessions
from livesale.identity.tickets import TicketSigner
from livesale.identity.tokens import TokenSigner
from livesale.live.bag_draws import Draws
from livesale.live.bag_entries import BagEntries
from livesale.live.bags import Bags
from livesale.live.bars import Bars
from livesale.live.channels import Channels
from livesale.live.comments import Comments
from livesale.live.copy import RoomCopy
from livesale.live.ingest import Ingest
from livesale.live.life import Life
from livesale.live.members import Members
from livesale.live.on_air import OnAir
from livesale.live.play import Screens
from livesale.live.presence import Presence
from livesale.live.rooms import Rooms
from livesale.live.shelf import Shelves
from livesale.live.stats import Stats
from livesale.live.streams import Streams
from livesale.live.visits import Visits
from livesale.live.words import load_words, words_file
from livesale.outgoing import Bounds
from livesale.payments.choose import make_gateway
from livesale.payments.gateway import PayGateway
from livesale.payments.intake import Intake
from livesale.reminders.asks import Reminders
from livesale.sales.campaigns import Campaigns
from livesale.sales.drops import Drops
from livesale.sales.fresh import Fresh
from livesale.sales.orders import Orders
from livesale.sales.payments import Payments
from livesale.sales.refunds import Refunds
from livesale.sales.reservations import Reservations
from livesale.sales.showcase import Showcase
from livesale.sales.tickets import Tickets
from livesale.settings import Settings
from livesale.tasks import Tasks
from stock.batcher import Batcher
from stock.model import BatchOutcome
from stock.soldout import SoldOut

COUNT_EVERY_S = 1.0
EXPOSITION_TTL_S = 1.0  # /metrics asks every process here: a crowd that asks costs one round

DRAINING = web.AppKey("draining", Draining)
SERVICES = web.AppKey("services", Services)


def build_app(
    deployment: Deployment,
    *,
    exposition: Callable[[], Awaitable[bytes]] = metrics.exposition,
    gateway: PayGateway | None = None,
) -> web.Application:
    """The application; called inside the event loop that will run it.

    `exposition` is what /metrics answers; `gateway` is that of the settings unless given.
    """
    settings = deployment.settings
    gateway = gateway or make_gateway(deployment)
    app = web.Application(client_max_size=settings.http.max_body_bytes)
    batcher = Batcher(
        deployment.engine,
        max_queue=settings.stock.max_queue,
        deadline_s=settings.stock.deadline_ms / 1000,
    )
    till = SoldOut(batcher, deployment.engine.buyers, sold_out_ms=settings.stock.sold_out_ms)
    clock = Clock(deployment.engine)
    showcase = Showcase(deployment, clock.now_ms)
    signer = TokenSigner.from_settings(settings)
    providers = list(_providers(settings))
    reservations = Reservations(deployment, till, showcase)
    draining = Draining()
    places = Places(settings.http)
    keyring = Keyring.from_settings(settings)
    document = openapi.describe(ROUTES)
    drops = Drops(deployment)
    copy = RoomCopy(deployment)
    rooms = Rooms(deployment, copy)
    life = Life(deployment, copy)
    streams = Streams(deployment, life)
    on_air = OnAir(deployment, drops, copy)
    draws = Draws(deployment, copy)
    comments = Comments(deployment, copy, load_words(words_file(settings)))
    bags = Bags(deployment, on_air, drops, draws, comments)
    hub = Hub(settings, make_frames())
    bars = Bars(deployment, copy)
    channels = Channels(deployment, copy, frame_of, _note_round, bars.look_again)
    presence = Presence(deployment, copy, channels.viewers)
    visits = Visits(deployment, copy)
    exposed = Fresh(lambda _: exposition(), ttl_s=EXPOSITION_TTL_S, max_found=1)
    services = Services(
        deployment=deployment,
        signer=signer,
        limits=Limits(settings),
        places=places,
        clock=clock,
        sessions=Sessions(deployment.sql, signer, providers),
        showcase=showcase,
        reservations=reservations,
        tickets=Tickets(
            deployment,
            showcase,
            clock,
            TicketSigner(keyring),
            Challenges.from_settings(settings),
        ),
        orders=Orders(deployment),
        payments=Payments(deployment, gateway, reservations, showcase, clock.now_ms),
        gateway=gateway,
        intake=Intake(deployment),
        refunds=Refunds(deployment),
        campaigns=Campaigns(deployment),
        drops=drops,
        rooms=rooms,
        reminders=Reminders(deployment, clock.now_ms),
        screens=Screens(settings.ingest),
        life=life,
        ingest=Ingest(deployment, PublishKeys(keyring), streams, rooms),
        gate=Gate(settings.ingest),
        members=Members(deployment, rooms),
        shelves=Shelves(deployment, copy),
        on_air=on_air,
        comments=comments,
        bars=bars,
        presence=presence,
        visits=visits,
        stats=Stats(deployment),
        bags=bags,
        bag_entries=BagEntries(deployment, bags, draws, copy, reservations),
        channels=channels,
        hub=hub,
        health=Health(deployment, draining),
        draining=draining,
        site=Site(settings.http),
        exposition=lambda: _expose(exposed),
        openapi=Document(msgspec.json.encode(document)),
        asyncapi=Document(msgspec.json.encode(asyncapi.describe(hub.frames))),
        docs=Document(docs_page.render(ROUTES, document), docs_page.HTML, docs_page.HEADERS),
    )
    app[SERVICES] = services
    app[DRAINING] = draining
    app[HUB] = hub
    app[PLACES] = places
    hub.services = services
    traffic = Traffic(settings.http.access_log_sample)
    _route(app, services, traffic)
    logins = [provider.running for provider in providers if isinstance(provider, WeChatLogin)]
    parts = [
        clock.running,
        *logins,
        gateway.running,
        presence.running,
        visits.running,
        channels.running,
        hub.running,
        lambda: _counting(batcher, till),
        lambda: _telling(traffic),
    ]
    app.cleanup_ctx.extend(_while_running(part) for part in parts)
    return app


def _note_round(_listeners: int, seconds: float) -> None:
    metrics.ROOM_ROUND_S.observe(seconds)


async def _expose(exposed: Fresh[bytes]) -> bytes:
    return await exposed.get("") or b""


def _providers(settings: Settings) -> Iterator[LoginProvider]:
    """The logins that the settings switch on."""
    if settings.auth.dev_login:
        yield DevLogin()
    wechat = settings.wechat
    if wechat.appid:
        yield WeChatLogin(
            appid=wechat.appid,
            secret=wechat.secret.get_secret_value(),
            base_url=wechat.base_url,
            timeout_s=wechat.timeout_ms / 1000,
            bounds=Bounds(settings.limits.outside_at_once, settings.limits.outside_per_s),
            proxy=wechat.proxy.get_secret_value(),
        )


def _route(app: web.Application, services: Services, traffic: Traffic) -> None:
    for route in ROUTES:
        endpoint = Endpoint(route, services, traffic)
        handler = make_handler(endpoint)
        if route is RESERVE and services.deployment.settings.http.fast_lane:
            unlimited = (route.path.encode() for route in ROUTES if not route.limited)
            app[CONNECT] = FastLane(endpoint, unlimited).connect
        app.router.add_route(route.method, route.path, handler, expect_handler=expect)
        if route.method == "GET":
            app.router.add_route("HEAD", route.path, handler, expect_handler=expect)
    fallback = make_fallback(ROUTES, services, traffic)
    app.router.add_route("*", "/{path:.*}", fallback, expect_handler=expect)


def _while_running(
    part: Callable[[], AbstractAsyncContextManager[None]],
) -> Callable[[web.Application], AsyncIterator[None]]:
    """A part with a beginning and an end, in the form that aiohttp asks for."""

    async def context(_app: web.Application) -> AsyncIterator[None]:
        async with part():
            yield

    return context


@asynccontextmanager
async def _telling(traffic: Traffic) -> AsyncIterator[None]:
    yield
    traffic.tell()


@asynccontextmanager
async def _counting(batcher: Batcher, till: SoldOut) -> AsyncIterator[None]:
    """Shows what the batcher and the flag do in the metrics; at the end, lets the batcher finish.

    aiohttp ends the handlers first, so nothing new arrives by then.
    """
    counted = 0

    def count_shortcuts() -> None:
        nonlocal counted
        metrics.SOLD_OUT_SHORTCUTS.inc(till.answered - counted)
        counted = till.answered

    def note_batch(_drop_id: str, _sent_at: float, answer: BatchOutcome) -> None:
        metrics.BATCH_SIZE.observe(len(answer.outcomes))

    async def keep_counting() -> float:
        count_shortcuts()
        return COUNT_EVERY_S

    batcher.listeners.append(note_batch)
    metrics.BATCH_QUEUE.set_function(lambda: batcher.queued)
    try:
        async with Tasks() as tasks:
            tasks.repeat("metrics: shortcuts", keep_counting)
            yield
    finally:
        await batcher.drain()
        count_shortcuts()
