"""The feature "results"."""

from livesale.feature import Feature
from livesale.results import routes
from livesale.results.service import SaleResults
from livesale.rooms.numbers.stats import Stats
from livesale.tasks.clock import Clock

feature = Feature(
    name="results",
    routes=routes.ROUTES,
    parts={
        SaleResults: lambda parts: SaleResults(parts.deployment, parts[Stats], parts[Clock]),
    },
)
