"""GET /v1/door, and the page that asks it: GET /door, GET /door/, GET /door/assets/{asset_name}"""

from livesale.door.files import DoorFiles
from livesale.door.service import Door, DoorView
from livesale.faces.page_routes import page_routes
from livesale.parts import Parts
from livesale.web.problems import ENGINE_PROBLEMS
from livesale.web.routes import Answer, Call, Route

# Every cache in between may answer a crowd, and goes on with what it has while we are away.
_SECOND = {"Cache-Control": "public, max-age=1, stale-if-error=300"}


async def show_crowd(parts: Parts, _call: Call) -> Answer:
    return Answer(200, await parts[DoorView].show(), headers=_SECOND)


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
    *page_routes(
        "door",
        DoorFiles,
        "The page that holds a crowd in front of the shop",
        tag="shop",
        any_query=True,
    ),
]
