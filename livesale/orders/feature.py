"""The feature "orders"."""

from livesale.feature import Feature
from livesale.ledger import tables
from livesale.orders import admin_routes, events, routes
from livesale.orders.addresses import routes as address_routes
from livesale.orders.addresses import tables as address_tables
from livesale.orders.addresses.sealing import Sealer
from livesale.orders.addresses.service import AddressBook, OrderAddresses
from livesale.orders.keeper import OrderKeeper
from livesale.orders.metrics import OrderMetrics
from livesale.orders.problems import PROBLEMS
from livesale.orders.service import Orders
from livesale.orders.shipments import routes as shipment_routes
from livesale.orders.shipments import tables as shipment_tables
from livesale.orders.shipments.service import Shipments

feature = Feature(
    name="orders",
    routes=(
        *routes.ROUTES,
        *address_routes.ROUTES,
        *shipment_routes.ROUTES,
        *admin_routes.ROUTES,
    ),
    problems=PROBLEMS,
    parts={
        Orders: lambda parts: Orders(parts.deployment),
        Sealer: lambda parts: Sealer.from_settings(parts.deployment.settings),
        AddressBook: lambda parts: AddressBook(parts.deployment, parts[Sealer]),
        OrderAddresses: lambda parts: OrderAddresses(parts.deployment, parts[Sealer]),
        Shipments: lambda parts: Shipments(parts.deployment, parts[Sealer]),
    },
    tables=(
        tables.orders,
        address_tables.addresses,
        address_tables.order_addresses,
        shipment_tables.parcels,
        events.order_events,
    ),
    jobs={"orders": OrderKeeper},
    metrics=(OrderMetrics,),
)
