"""The parts that handlers use, put together in `livesale.app`."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from livesale.clock import Clock
from livesale.deployment import Deployment
from livesale.http.hooks_gate import Gate
from livesale.http.hub import Hub
from livesale.http.limits import Limits
from livesale.http.places import Places
from livesale.http.site import Site
from livesale.identity.sessions import Sessions
from livesale.identity.tokens import TokenSigner
from livesale.live.bag_entries import BagEntries
from livesale.live.bags import Bags
from livesale.live.bars import Bars
from livesale.live.channels import Channels
from livesale.live.comments import Comments
from livesale.live.ingest import Ingest
from livesale.live.life import Life
from livesale.live.members import Members
from livesale.live.on_air import OnAir
from livesale.live.play import Screens
from livesale.live.presence import Presence
from livesale.live.rooms import Rooms
from livesale.live.shelf import Shelves
from livesale.live.stats import Stats
from livesale.live.visits import Visits
from livesale.payments.gateway import PayGateway
from livesale.payments.intake import Intake
from livesale.reminders.asks import Reminders
from livesale.sales.campaigns import Campaigns
from livesale.sales.drops import Drops
from livesale.sales.orders import Orders
from livesale.sales.payments import Payments
from livesale.sales.refunds import Refunds
from livesale.sales.reservations import Reservations
from livesale.sales.showcase import Showcase
from livesale.sales.tickets import Tickets

if TYPE_CHECKING:
    from livesale.http.documents import Document
    from livesale.http.health import Health


class Draining(Struct):
    """Set `draining` when this worker is about to stop: readyz says so, connections close."""

    draining: bool = False


class Services(Struct, frozen=True):
    deployment: Deployment
    signer: TokenSigner
    limits: Limits
    places: Places
    clock: Clock
    sessions: Sessions
    showcase: Showcase
    reservations: Reservations
    tickets: Tickets
    orders: Orders
    payments: Payments
    gateway: PayGateway
    intake: Intake
    refunds: Refunds
    campaigns: Campaigns
    drops: Drops
    rooms: Rooms
    reminders: Reminders
    screens: Screens
    life: Life
    ingest: Ingest
    gate: Gate
    members: Members
    shelves: Shelves
    on_air: OnAir
    comments: Comments
    bars: Bars
    presence: Presence
    visits: Visits
    stats: Stats
    bags: Bags
    bag_entries: BagEntries
    channels: Channels
    hub: Hub
    health: "Health"
    draining: Draining
    site: Site
    exposition: Callable[[], Awaitable[bytes]]
    openapi: "Document"
    asyncapi: "Document"
    docs: "Document"
