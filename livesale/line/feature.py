"""The feature "line": purchase tickets."""

from livesale.catalogue.view import CatalogueView
from livesale.feature import Feature
from livesale.ledger.line_tables import TABLES
from livesale.line import routes
from livesale.line.challenges import Challenges
from livesale.line.problems import PROBLEMS
from livesale.line.signing import TicketSigner
from livesale.line.tickets import Tickets
from livesale.tasks.clock import Clock
from livesale.tokens.keyring import Keyring

feature = Feature(
    name="line",
    routes=routes.ROUTES,
    problems=PROBLEMS,
    tables=TABLES,
    parts={
        Tickets: lambda parts: Tickets(
            parts.deployment,
            parts[CatalogueView],
            parts[Clock],
            TicketSigner(parts[Keyring]),
            Challenges.from_settings(parts.deployment.settings),
        ),
    },
)
