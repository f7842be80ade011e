"""The feature "console"."""

from livesale.console import routes
from livesale.console.files import ConsoleFiles
from livesale.feature import Feature

feature = Feature(
    name="console",
    routes=routes.ROUTES,
    parts={ConsoleFiles: lambda _parts: ConsoleFiles()},
)
