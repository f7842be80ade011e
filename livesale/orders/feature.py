"""The feature "orders"."""

from prometheus_client import CollectorRegistry

from livesale.catalogue.pictures.service import Pictures
from livesale.feature import Feature
from livesale.ledger import tables
from livesale.orders import admin_routes, events, routes
from livesale.orders.addresses import routes as address_routes
from livesale.orders.addresses import tables as address_tables
from livesale.orders.addresses.sealing import Sealer
from livesale.orders.addresses.service import AddressBook, OrderAddresses
from livesale.orders.cases import routes as case_routes
from livesale.orders.cases import tables as case_tables
from livesale.orders.cases.evidence import Evidence
from livesale.orders.cases.service import Cases
from livesale.orders.files import routes as file_routes
from livesale.orders.files.service import OrderFiles
from livesale.orders.keeper import OrderKeeper
from livesale.orders.metrics import OrderMetrics
from livesale.orders.problems import PROBLEMS
from livesale.orders.search import routes as search_routes
from livesale.orders.search.service import OrderSearch
from livesale.orders.service import Orders
from livesale.orders.shipments import routes as shipment_routes
from livesale.orders.shipments import tables as shipment_tables
from livesale.orders.shipments.service import Shipments
from livesale.orders.wechat import tables as upload_tables
from livesale.orders.wechat.client import make_shipping
from livesale.orders.wechat.sender import ShippingSender, UploadMetrics
from livesale.resources import Deployment
from livesale.spreadsheets.service import Spreadsheets


def _make_sender(deployment: Deployment, registry: CollectorRegistry) -> ShippingSender | None:
    wechat = make_shipping(deployment.settings)
    return ShippingSender(deployment, wechat, registry) if wechat else None


feature = Feature(
    name="orders",
    routes=(
        *routes.ROUTES,
        *address_routes.ROUTES,
        *shipment_routes.ROUTES,
        *case_routes.ROUTES,
        *search_routes.ROUTES,
        *file_routes.ROUTES,
        *admin_routes.ROUTES,
    ),
    problems=PROBLEMS,
    parts={
        Orders: lambda parts: Orders(parts.deployment),
        Sealer: lambda parts: Sealer.from_settings(parts.deployment.settings),
        AddressBook: lambda parts: AddressBook(parts.deployment, parts[Sealer]),
        OrderAddresses: lambda parts: OrderAddresses(parts.deployment, parts[Sealer]),
        Cases: lambda parts: Cases(parts.deployment),
        Evidence: lambda parts: Evidence(parts.deployment, parts[Pictures]),
        OrderSearch: lambda parts: OrderSearch(parts.deployment, parts[Sealer]),
        OrderFiles: lambda parts: OrderFiles(
            parts.deployment, parts[Sealer], parts[Shipments], parts[Spreadsheets]
        ),
        Shipments: lambda parts: Shipments(parts.deployment, parts[Sealer]),
    },
    tables=(
        tables.orders,
        address_tables.addresses,
        address_tables.order_addresses,
        shipment_tables.parcels,
        events.order_events,
        case_tables.after_sale_cases,
        case_tables.take_backs,
        case_tables.evidence,
        upload_tables.shipping_uploads,
    ),
    jobs={"orders": OrderKeeper, "shipping": _make_sender},
    metrics=(OrderMetrics, UploadMetrics),
)
