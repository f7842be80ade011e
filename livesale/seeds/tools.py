"""The use cases that seeding works with, each made once in its process."""

from livesale.action_log.record import Deed, Record
from livesale.action_log.store import Outcome
from livesale.catalogue.pictures.choose import make_media_store
from livesale.catalogue.pictures.service import Pictures
from livesale.catalogue.products.categories import Categories
from livesale.catalogue.products.search import ProductSearch
from livesale.catalogue.products.service import Products
from livesale.catalogue.service import Campaigns
from livesale.catalogue.skus.service import Skus
from livesale.catalogue.stock_moves.service import StockMoves
from livesale.catalogue.view import CatalogueView
from livesale.identity.profiles.names import Names
from livesale.identity.profiles.service import Profiles
from livesale.line.drafts import LineDrafts
from livesale.line.view import LineView
from livesale.orders.addresses.sealing import Sealer
from livesale.orders.addresses.service import AddressBook, OrderAddresses
from livesale.orders.cases.service import Cases
from livesale.orders.shipments.service import Shipments
from livesale.payments.intake import Intake
from livesale.resources import Deployment
from livesale.rooms.bags.draws import Draws
from livesale.rooms.bags.entries import BagEntries
from livesale.rooms.bags.service import Bags
from livesale.rooms.copy import RoomCopy
from livesale.rooms.lifecycle import RoomLifecycle
from livesale.rooms.on_air import OnAir
from livesale.rooms.people.comments import Comments
from livesale.rooms.service import Rooms, StoredRooms
from livesale.rooms.shelf import Shelves
from livesale.sales.drops import Drops
from livesale.sales.queue import ReservationQueue
from livesale.sales.reservations import Reservations
from livesale.tasks.clock import Clock
from livesale.validation.blocked_words import load_words, words_file

ACTOR = "seeds"


class Tools:
    """Call `media` as a context while pictures are kept."""

    def __init__(self, deployment: Deployment) -> None:
        settings = deployment.settings
        self.deployment = deployment
        self.sql, self.engine = deployment.sql, deployment.engine
        self.media = make_media_store(deployment)
        self.pictures = Pictures(deployment, self.media)
        self.categories = Categories(deployment)
        self.products = Products(deployment, ProductSearch(deployment))
        self.skus = Skus(deployment)
        self.stock = StockMoves(deployment)
        self.campaigns = Campaigns(deployment)
        words = load_words(words_file(settings))
        self.profiles = Profiles(deployment.sql, Names(words, settings.auth.avatar_hosts))
        self.copy = RoomCopy(deployment)
        self.drops = Drops(deployment, StoredRooms(self.copy))
        self.rooms = Rooms(deployment, self.copy, self.profiles)
        self.lifecycle = RoomLifecycle(deployment, self.copy)
        self.shelves = Shelves(deployment, self.copy)
        self.on_air = OnAir(deployment, self.drops, self.copy)
        self.comments = Comments(deployment, self.copy, words, self.profiles)
        draws = Draws(deployment, self.copy)
        self.bags = Bags(deployment, self.on_air, self.drops, draws, self.comments)
        view = CatalogueView(deployment, Clock(deployment.engine).now_ms)
        self.lines = LineDrafts(deployment, LineView(deployment, view))
        reservations = Reservations(deployment, ReservationQueue(deployment).attempts, view)
        self.entries = BagEntries(deployment, self.bags, draws, self.copy, reservations)
        self.intake = Intake(deployment)
        sealer = Sealer.from_settings(settings)
        self.book = AddressBook(deployment, sealer)
        self.addresses = OrderAddresses(deployment, sealer)
        self.shipments = Shipments(deployment, sealer)
        self.cases = Cases(deployment)

    def recorded(self, action: str, object_id: str = "") -> "Recorded":
        """A block whose changes are in the record of actions, like those of operators."""
        return Recorded(Record(self.sql, Deed(ACTOR, action, object_id, {})))


class Recorded:
    """The block of one recorded action."""

    def __init__(self, record: Record) -> None:
        self._record = record

    async def __aenter__(self) -> None:
        await self._record.begin()
        self._current = self._record.current()
        self._current.__enter__()

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._current.__exit__(None, None, None)
        if kind is None:
            await self._record.conclude(Outcome.DONE, "")
        else:
            await self._record.conclude(Outcome.FAILED, kind.__name__[:40])
