"""GET /v1/mini-program/link"""

from typing import Annotated

from msgspec import Struct

from livesale.links.service import MiniProgramLink, MiniProgramLinks, Page
from livesale.parts import Parts
from livesale.validation.texts import whole
from livesale.web.problems import Problem
from livesale.web.routes import Answer, Call, Route

_HOUR = {"Cache-Control": "public, max-age=3600"}


class LinkQuery(Struct, frozen=True):
    page: Page = Page.HOME
    id: Annotated[
        str, whole(r"^[0-9a-z]{0,15}$", description="of the room, the drop or the product")
    ] = ""


async def show_link(parts: Parts, call: Call) -> Answer:
    query: LinkQuery = call.query or LinkQuery()
    if bool(query.id) == (query.page is Page.HOME):
        detail = "The home page has none." if query.id else f"Name the {query.page}."
        raise Problem("invalid_parameter", detail, field="id", where="query")
    link = await parts[MiniProgramLinks].find(query.page, query.id)
    return Answer(200, link, headers=_HOUR)


ROUTES = [
    Route(
        "GET",
        "/v1/mini-program/link",
        show_link,
        "A link that opens the mini-program",
        "shop",
        {200: MiniProgramLink},
        (
            *("no_mini_program", "unknown_room", "unknown_drop", "unknown_product"),
            *("link_unavailable", "store_unavailable"),
        ),
        query=LinkQuery,
        description=(
            "For pages outside WeChat's browser, where nobody can log in or pay. The same link for "
            "everybody; ask again when it is shown, not when it was made."
        ),
    )
]
