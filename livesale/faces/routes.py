"""GET /shop, GET /shop/, GET /shop/assets/{asset_name}, GET /shop/media/{media_name}"""

from livesale.faces.files import FaceFiles
from livesale.faces.page_routes import TEXT, page_routes
from livesale.parts import Parts
from livesale.web.routes import Answer, Call, PathParameter, Route, declare_path_parameters

_FOREVER = "public, max-age=31536000, immutable"


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
    *page_routes("shop", FaceFiles, "The shop, for people", tag="shop", any_query=True),
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
