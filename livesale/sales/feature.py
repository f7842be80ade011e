"""What drops and reservations bring to livesale."""

from livesale.catalogue.view import CatalogueView
from livesale.feature import Feature
from livesale.ledger import tables
from livesale.sales import admin_routes, drop_routes, routes
from livesale.sales.drafts import DropDrafts
from livesale.sales.drops import Drops, KnownRooms
from livesale.sales.fast_lane import FastLane
from livesale.sales.metrics import RewriteMetrics
from livesale.sales.problems import PROBLEMS
from livesale.sales.queue import ReservationQueue
from livesale.sales.reservations import Reservations
from livesale.sales.rewrites import AofRewriter
from livesale.sales.uses import drop_of_campaign, drop_of_room
from livesale.validation.uses import Uses

feature = Feature(
    name="sales",
    routes=(*routes.ROUTES, *drop_routes.ROUTES, *admin_routes.ROUTES),
    problems=PROBLEMS,
    parts={
        ReservationQueue: lambda parts: ReservationQueue(parts.deployment),
        Reservations: lambda parts: Reservations(
            parts.deployment, parts[ReservationQueue].attempts, parts[CatalogueView]
        ),
        Drops: lambda parts: Drops(parts.deployment, parts[KnownRooms]),
        DropDrafts: lambda parts: DropDrafts(parts.deployment, parts[KnownRooms], parts[Uses]),
    },
    running=(ReservationQueue,),
    tables=(tables.drops,),
    uses={"campaign": drop_of_campaign, "room": drop_of_room},
    jobs={"rewrites": AofRewriter},
    metrics=(RewriteMetrics,),
    lane=(routes.RESERVE, FastLane),
)
