"""The feature "operations"."""

from livesale.action_log import tables
from livesale.feature import Feature
from livesale.operations import actions, clock, health, pages
from livesale.operations.checks import routes as checks
from livesale.operations.checks.keeper import CheckKeeper, CheckMetrics
from livesale.operations.checks.service import Checks
from livesale.operations.checks.tables import check_runs
from livesale.operations.exposition import Exposition
from livesale.operations.health import Health
from livesale.operations.problems import PROBLEMS
from livesale.operations.quarantine import routes as quarantine
from livesale.web.draining import Draining

feature = Feature(
    name="operations",
    routes=(
        *(*clock.ROUTES, *actions.ROUTES, *checks.ROUTES, *quarantine.ROUTES),
        *(*health.ROUTES, *pages.ROUTES),
    ),
    problems=PROBLEMS,
    parts={
        Health: lambda parts: Health(parts.deployment, parts[Draining]),
        Checks: lambda parts: Checks(parts.deployment),
        Exposition: lambda _: Exposition(),
    },
    tables=(tables.operator_actions, check_runs),
    jobs={"checks": CheckKeeper},
    metrics=(CheckMetrics,),
)
