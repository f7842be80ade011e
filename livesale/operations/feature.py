"""The feature "operations"."""

from livesale.action_log import tables
from livesale.feature import Feature
from livesale.operations import actions, clock, health, pages
from livesale.operations.exposition import Exposition
from livesale.operations.health import Health
from livesale.operations.problems import PROBLEMS
from livesale.web.draining import Draining

feature = Feature(
    name="operations",
    routes=(*clock.ROUTES, *actions.ROUTES, *health.ROUTES, *pages.ROUTES),
    problems=PROBLEMS,
    parts={
        Health: lambda parts: Health(parts.deployment, parts[Draining]),
        Exposition: lambda _: Exposition(),
    },
    tables=(tables.operator_actions,),
)
