"""GET /console, GET /console/, GET /console/assets/{asset_name}"""

from livesale.console.files import ConsoleFiles
from livesale.faces.files import ASSETS, PAGE
from livesale.parts import Parts
from livesale.web.routes import Answer, Call, Route

TEXT = "text/plain; charset=utf-8"


async def show_way_to_console(_parts: Parts, _call: Call) -> Answer:
    # Relative names in the page need the slash. A browser keeps what stands behind the `#`.
    return Answer(308, b"", TEXT, {"Location": "/console/"})


async def show_console(parts: Parts, call: Call) -> Answer:
    return parts[ConsoleFiles].answer(PAGE, call.asked)


async def show_console_asset(parts: Parts, call: Call) -> Answer:
    return parts[ConsoleFiles].answer(f"{ASSETS}/{call.path['asset_name']}", call.asked)


ROUTES = [
    Route(
        "GET",
        "/console",
        show_way_to_console,
        "Redirects to /console/",
        "operator",
        {308: bytes},
        content_type="text/plain",
    ),
    Route(
        "GET",
        "/console/",
        show_console,
        "The console, for operators",
        "operator",
        {200: str, 304: bytes},
        ("unknown_file",),
        content_type="text/html",
        reads_headers=True,
        description="The page is public and knows nothing; what it asks for needs a session.",
    ),
    Route(
        "GET",
        "/console/assets/{asset_name}",
        show_console_asset,
        "A file of the console",
        "operator",
        {200: bytes, 304: bytes},
        ("unknown_file",),
        content_type="*/*",
        reads_headers=True,
        description="Its name has a hash of its content, so it may be kept for ever.",
    ),
]
