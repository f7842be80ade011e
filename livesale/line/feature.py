"""The feature "line": purchase tickets, and lines in front of drops."""

from livesale.catalogue.view import CatalogueView
from livesale.feature import Feature
from livesale.ledger.line_tables import TABLES
from livesale.line import insider_routes, line_routes, routes
from livesale.line.challenges import Challenges
from livesale.line.drafts import LineDrafts
from livesale.line.entrance import Accounts, Entrance
from livesale.line.insiders import Insiders, Teams
from livesale.line.keeper import LineKeeper, LineMetrics
from livesale.line.line_draws import LineDraws
from livesale.line.places import PlaceSigner
from livesale.line.problems import PROBLEMS
from livesale.line.service import Places
from livesale.line.signing import TicketSigner
from livesale.line.tables import insiders
from livesale.line.tickets import Tickets
from livesale.line.uses import line_of_drop
from livesale.line.view import LineView
from livesale.line.watch import LineWatch
from livesale.tasks.clock import Clock
from livesale.tokens.keyring import Keyring

feature = Feature(
    name="line",
    routes=(
        *routes.TICKET_ROUTES,
        *line_routes.LINE_ROUTES,
        *insider_routes.INSIDER_ROUTES,
    ),
    problems=PROBLEMS,
    tables=(*TABLES, insiders),
    parts={
        LineView: lambda parts: LineView(parts.deployment, parts[CatalogueView]),
        Places: lambda parts: Places(
            parts.deployment,
            parts[LineView],
            PlaceSigner(parts[Keyring]),
            parts[Entrance],
        ),
        Challenges: lambda parts: Challenges.from_settings(parts.deployment.settings),
        Insiders: lambda parts: Insiders(parts.deployment, parts[Teams]),
        Entrance: lambda parts: Entrance(
            parts.deployment,
            parts[CatalogueView],
            parts[Clock],
            parts[Challenges],
            parts[Insiders],
            parts[Accounts],
        ),
        LineDraws: lambda parts: LineDraws(parts.deployment),
        LineDrafts: lambda parts: LineDrafts(parts.deployment, parts[LineView]),
        LineWatch: lambda parts: LineWatch(parts.deployment, parts[LineView]),
        Tickets: lambda parts: Tickets(
            parts.deployment,
            parts[CatalogueView],
            parts[Clock],
            TicketSigner(parts[Keyring]),
            parts[Challenges],
            parts[Places],
        ),
    },
    uses={"drop": line_of_drop},
    jobs={"lines": LineKeeper},
    metrics=(LineMetrics,),
)
