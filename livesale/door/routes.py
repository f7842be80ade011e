"""GET /v1/door, and the page that asks it: GET /door, GET /door/, GET /door/assets/{asset_name}"""

from livesale.door.files import DoorFiles
from livesale.door.service import Door, DoorView
from livesale.faces.files import ASSETS, PAGE
from livesale.parts import Parts
from livesale.web.problems import ENGINE_PROBLEMS
from livesale.web.routes import Answer, Call, Route

TEXT = "text/plain; charset=utf-8"
# Every cache in between may answer a crowd, and goes on with what it has while we are away.
_SECOND = {"Cache-Control": "public, max-age=1, stale-if-error=300"}


async def show_crowd(parts: Parts, _call: Call) -> Answer:
    return Answer(200, await parts[DoorView].show(), headers=_SECOND)


async def show_way_to_door(_parts: Parts, _call: Call) -> Answer:
    # Relative names in the page need the slash.
    return Answer(308, b"", TEXT, {"Location": "/door/"})


async def show_door_page(parts: Parts, call: Call) -> Answer:
    return parts[DoorFiles].answer(PAGE, call.asked)


async def show_door_asset(parts: Parts, call: Call) -> Answer:
    return parts[DoorFiles].answer(f"{ASSETS}/{call.path['asset_name']}", call.asked)


ROUTES = [
    Route(
        "GET",
        "/v1/door",
        show_crowd,
        "Whether a crowd is near",
        "line",
        {200: Door},
        (*ENGINE_PROBLEMS, "store_unavailable"),
        description=(
            "For a static page in front of the shop, behind a cache: see docs/door.md. At most a "
            "second old; while a store is away it says what was so."
        ),
    ),
    Route(
        "GET",
        "/door",
        show_way_to_door,
        "Redirects to /door/",
        "shop",
        {308: bytes},
        any_query=True,
        content_type="text/plain",
    ),
    Route(
        "GET",
        "/door/",
        show_door_page,
        "The page that holds a crowd in front of the shop",
        "shop",
        {200: str, 304: bytes},
        ("unknown_file",),
        any_query=True,
        content_type="text/html",
        reads_headers=True,
    ),
    Route(
        "GET",
        "/door/assets/{asset_name}",
        show_door_asset,
        "A file of the door",
        "shop",
        {200: bytes, 304: bytes},
        ("unknown_file",),
        content_type="*/*",
        reads_headers=True,
        description="Its name has a hash of its content, so it may be kept for ever.",
    ),
]
