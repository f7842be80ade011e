"""GET /shop, GET /shop/, GET /shop/assets/{asset_name}, GET /shop/media/{media_name}"""

from livesale.faces.files import ASSETS, PAGE, FaceFiles
from livesale.parts import Parts
from livesale.web.routes import Answer, Call, PathParameter, Route, declare_path_parameters

TEXT = "text/plain; charset=utf-8"
_FOREVER = "public, max-age=31536000, immutable"


async def show_way_to_shop(_parts: Parts, _call: Call) -> Answer:
    # Relative names in the page need the slash.
    return Answer(308, b"", TEXT, {"Location": "/shop/"})


async def show_shop(parts: Parts, call: Call) -> Answer:
    return parts[FaceFiles].answer(PAGE, call.asked)


async def show_asset(parts: Parts, call: Call) -> Answer:
    return parts[FaceFiles].answer(f"{ASSETS}/{call.path['asset_name']}", call.asked)


async def show_way_to_picture(_parts: Parts, call: Call) -> Answer:
    # uni-app puts the page's base before an address of a picture that begins with a slash.
    headers = {"Location": f"/media/{call.path['media_name']}", "Cache-Control": _FOREVER}
    return Answer(308, b"", TEXT, headers)


declare_path_parameters(
    asset_name=PathParameter(
        r"^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}$", "unknown_file", "A file that the page names"
    ),
)

ROUTES = [
    Route(
        "GET",
        "/shop",
        show_way_to_shop,
        "Redirects to /shop/",
        "shop",
        {308: bytes},
        any_query=True,
        content_type="text/plain",
    ),
    Route(
        "GET",
        "/shop/",
        show_shop,
        "The shop, for people",
        "shop",
        {200: str, 304: bytes},
        ("unknown_file",),
        any_query=True,
        content_type="text/html",
        reads_headers=True,
    ),
    Route(
        "GET",
        "/shop/assets/{asset_name}",
        show_asset,
        "A file of the shop",
        "shop",
        {200: bytes, 304: bytes},
        ("unknown_file",),
        content_type="*/*",
        reads_headers=True,
        description="Its name has a hash of its content, so it may be kept for ever.",
    ),
    Route(
        "GET",
        "/shop/media/{media_name}",
        show_way_to_picture,
        "Redirects to the file of a picture",
        "shop",
        {308: bytes},
        ("unknown_picture",),
        content_type="text/plain",
    ),
]
