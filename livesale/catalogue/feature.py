"""The feature "catalogue": SKUs and campaigns."""

from livesale.catalogue import admin_routes, routes, tables
from livesale.catalogue.problems import PROBLEMS
from livesale.catalogue.service import Campaigns
from livesale.catalogue.view import CatalogueView
from livesale.feature import Feature
from livesale.tasks.clock import Clock

feature = Feature(
    name="catalogue",
    routes=(*routes.ROUTES, *admin_routes.ROUTES),
    problems=PROBLEMS,
    parts={
        Campaigns: lambda parts: Campaigns(parts.deployment),
        CatalogueView: lambda parts: CatalogueView(parts.deployment, parts[Clock].now_ms),
    },
    tables=(tables.skus, tables.campaigns),
)
