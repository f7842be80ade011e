"""The feature "pickup"."""

from livesale.feature import Feature
from livesale.orders.pickups import pickups
from livesale.orders.shipments.service import Shipments
from livesale.pickup import admin_routes, routes, tables
from livesale.pickup.codes import PickupCodes
from livesale.pickup.handing import Handing
from livesale.pickup.problems import PROBLEMS
from livesale.pickup.service import Pickups, PickupStores
from livesale.tokens.keyring import Keyring

feature = Feature(
    name="pickup",
    routes=(*routes.ROUTES, *admin_routes.ROUTES),
    problems=PROBLEMS,
    parts={
        PickupStores: lambda parts: PickupStores(parts.deployment),
        PickupCodes: lambda parts: PickupCodes(parts[Keyring]),
        Pickups: lambda parts: Pickups(parts.deployment, parts[PickupCodes]),
        Handing: lambda parts: Handing(parts.deployment, parts[Shipments]),
    },
    tables=(tables.pickup_stores, pickups),
)
