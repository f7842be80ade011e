"""The three routes of a built face: the way to its page, the page, and the files that it names."""

from collections.abc import Sequence

from livesale.faces.files import ASSETS, PAGE, FaceFiles
from livesale.parts import Parts
from livesale.web.routes import Answer, Call, Handler, Route

TEXT = "text/plain; charset=utf-8"


def page_routes(
    name: str,
    files: type[FaceFiles],
    summary: str,
    *,
    tag: str,
    any_query: bool = False,
    description: str = "",
) -> Sequence[Route]:
    """GET /NAME, GET /NAME/ and GET /NAME/assets/{asset_name}, which send `files`.

    `summary` and `description` are of the page. The handlers belong to the feature of `files`.
    """

    async def show_way(_parts: Parts, _call: Call) -> Answer:
        # Relative names in the page need the slash. A browser keeps what stands behind the `#`.
        return Answer(308, b"", TEXT, {"Location": f"/{name}/"})

    async def show_page(parts: Parts, call: Call) -> Answer:
        return parts[files].answer(PAGE, call.asked)

    async def show_asset(parts: Parts, call: Call) -> Answer:
        return parts[files].answer(f"{ASSETS}/{call.path['asset_name']}", call.asked)

    def named(handler: Handler, called: str) -> Handler:
        handler.__name__ = called  # it is the operation's id
        handler.__module__ = files.__module__
        return handler

    return (
        Route(
            "GET",
            f"/{name}",
            named(show_way, f"show_way_to_{name}"),
            f"Redirects to /{name}/",
            tag,
            {308: bytes},
            any_query=any_query,
            content_type="text/plain",
        ),
        Route(
            "GET",
            f"/{name}/",
            named(show_page, f"show_{name}_page"),
            summary,
            tag,
            {200: str, 304: bytes},
            ("unknown_file",),
            any_query=any_query,
            content_type="text/html",
            reads_headers=True,
            description=description,
        ),
        Route(
            "GET",
            f"/{name}/assets/{{asset_name}}",
            named(show_asset, f"show_{name}_asset"),
            f"A file of the {name}",
            tag,
            {200: bytes, 304: bytes},
            ("unknown_file",),
            content_type="*/*",
            reads_headers=True,
            description="Its name has a hash of its content, so it may be kept for ever.",
        ),
    )
