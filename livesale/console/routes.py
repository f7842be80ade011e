"""GET /console, GET /console/, GET /console/assets/{asset_name}"""

from livesale.console.files import ConsoleFiles
from livesale.faces.page_routes import page_routes

ROUTES = page_routes(
    "console",
    ConsoleFiles,
    "The console, for operators",
    tag="operator",
    description="The page is public and knows nothing; what it asks for needs a session.",
)
