"""The feature "payments", with refunds."""

from livesale.catalogue.view import CatalogueView
from livesale.feature import Feature
from livesale.ledger import tables as ledger
from livesale.payments import refund_routes, routes, tables, wechat_routes
from livesale.payments.choose import make_gateway
from livesale.payments.gateway import PayGateway
from livesale.payments.intake import Intake
from livesale.payments.keeper import Keeper
from livesale.payments.problems import PROBLEMS
from livesale.payments.refunds import Refunds
from livesale.payments.start import Payments
from livesale.sales.reservations import Reservations
from livesale.tasks.clock import Clock
from livesale.telemetry.workers import KeeperMetrics

feature = Feature(
    name="payments",
    routes=(*routes.ROUTES, *wechat_routes.ROUTES, *refund_routes.ROUTES),
    problems=PROBLEMS,
    parts={
        PayGateway: lambda parts: make_gateway(parts.deployment),
        Payments: lambda parts: Payments(
            parts.deployment,
            parts[PayGateway],
            parts[Reservations],
            parts[CatalogueView],
            parts[Clock].now_ms,
        ),
        Intake: lambda parts: Intake(parts.deployment),
        Refunds: lambda parts: Refunds(parts.deployment),
    },
    running=(PayGateway,),
    tables=(tables.prepays, ledger.payments, ledger.refunds),
    jobs={
        "keeper": lambda deployment, registry: Keeper(
            deployment, registry, make_gateway(deployment)
        )
    },
    metrics=(KeeperMetrics,),
)
