"""The feature "shop"."""

from livesale.feature import Feature
from livesale.shop import routes
from livesale.shop.config import ConfigDocument

feature = Feature(
    name="shop",
    routes=routes.ROUTES,
    parts={ConfigDocument: lambda parts: ConfigDocument(parts.deployment.settings)},
)
