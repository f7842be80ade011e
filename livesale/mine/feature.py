"""The feature "mine"."""

from livesale.catalogue.pictures.service import Pictures
from livesale.catalogue.view import CatalogueView
from livesale.feature import Feature
from livesale.mine import routes
from livesale.mine.goods import GoodsView
from livesale.mine.service import Mine
from livesale.orders.service import Orders
from livesale.reminders.service import Reminders
from livesale.tasks.clock import Clock

feature = Feature(
    name="mine",
    routes=routes.ROUTES,
    parts={
        GoodsView: lambda parts: GoodsView(parts.deployment, parts[Pictures], parts[CatalogueView]),
        Mine: lambda parts: Mine(
            *(parts.deployment, parts[Orders], parts[Reminders], parts[GoodsView]),
            parts[Clock].now_ms,
        ),
    },
)
