"""The feature "mine"."""

from livesale.catalogue.goods.service import GoodsView
from livesale.feature import Feature
from livesale.mine import routes
from livesale.mine.service import Mine
from livesale.orders.service import Orders
from livesale.reminders.service import Reminders
from livesale.tasks.clock import Clock

feature = Feature(
    name="mine",
    routes=routes.ROUTES,
    parts={
        Mine: lambda parts: Mine(
            *(parts.deployment, parts[Orders], parts[Reminders], parts[GoodsView]),
            parts[Clock].now_ms,
        ),
    },
)
