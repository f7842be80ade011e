"""The feature "orders"."""

from livesale.feature import Feature
from livesale.ledger import tables
from livesale.orders import admin_routes, routes
from livesale.orders.problems import PROBLEMS
from livesale.orders.service import Orders

feature = Feature(
    name="orders",
    routes=(*routes.ROUTES, *admin_routes.ROUTES),
    problems=PROBLEMS,
    parts={Orders: lambda parts: Orders(parts.deployment)},
    tables=(tables.orders,),
)
