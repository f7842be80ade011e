"""The feature "launch"."""

from livesale.feature import Feature
from livesale.launch import routes
from livesale.launch.launches import Launches
from livesale.launch.problems import PROBLEMS
from livesale.launch.sale import SaleLights
from livesale.launch.stores import StoreLights
from livesale.operations.checks.service import Checks
from livesale.operations.health import Health
from livesale.payments.gateway import PayGateway
from livesale.sales.drops import Drops
from livesale.tasks.clock import Clock

feature = Feature(
    name="launch",
    routes=routes.ROUTES,
    problems=PROBLEMS,
    parts={
        Launches: lambda parts: Launches(
            parts.deployment,
            StoreLights(parts.deployment, parts[Health], parts[Checks]),
            SaleLights(parts.deployment, parts[PayGateway]),
            parts[Drops],
            parts[Clock],
        )
    },
)
