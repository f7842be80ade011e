"""What drops and reservations bring to livesale."""

from livesale.catalogue.view import CatalogueView
from livesale.feature import Feature
from livesale.ledger import tables
from livesale.sales import admin_routes, drop_routes, routes
from livesale.sales.drops import Drops, KnownRooms
from livesale.sales.fast_lane import FastLane
from livesale.sales.metrics import RewriteMetrics
from livesale.sales.problems import PROBLEMS
from livesale.sales.queue import ReservationQueue
from livesale.sales.reservations import Reservations
from livesale.sales.rewrites import AofRewriter

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
    },
    running=(ReservationQueue,),
    tables=(tables.drops,),
    jobs={"rewrites": AofRewriter},
    metrics=(RewriteMetrics,),
    lane=(routes.RESERVE, FastLane),
)
