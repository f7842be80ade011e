"""GET /v1/rooms/{room_id}/share, /v1/shares/{share_code}, its picture, and /s/{share_code}"""

from typing import Annotated

from msgspec import Meta, Struct

from livesale.parts import Parts
from livesale.rooms.events import RoomView
from livesale.shares.codes import CODE_PATTERN
from livesale.shares.service import Shared, Shares
from livesale.web.routes import Answer, Call, PathParameter, Route, declare_path_parameters

TEXT = "text/plain; charset=utf-8"
# The settings may lead a code to another page: a browser asks again after a while.
_SOON = {"Cache-Control": "public, max-age=300"}


class ShareCard(Struct, frozen=True):
    """A room that is shared. Send `scene` to `wxacode` or a QR code of your own, `path` to people
    with browsers, and `page` to `onShareAppMessage`."""

    code: str
    scene: Annotated[str, Meta(description="at most 32 characters; `GET /v1/shares/{scene}`")]
    path: Annotated[str, Meta(description="a link of this service, for browsers")]
    page: Annotated[str, Meta(description="of the mini-program, with its query")]
    wxacode_path: Annotated[
        str | None,
        Meta(description="the mini-program's code, as a picture; null without a mini-program"),
    ]
    room: RoomView
    online: Annotated[int | None, Meta(description="viewers now; null while that is unknown")]


async def show_card(parts: Parts, call: Call) -> Answer:
    return Answer(200, _card(await parts[Shares].card(call.path["room_id"])))


async def show_share(parts: Parts, call: Call) -> Answer:
    return Answer(200, _card(await parts[Shares].resolve(call.path["share_code"])))


async def show_wxacode(parts: Parts, call: Call) -> Answer:
    picture = await parts[Shares].wxacode(call.path["share_code"])
    return Answer(303, b"", TEXT, {"Location": picture.sizes["large"].jpeg, **_SOON})


async def follow(parts: Parts, call: Call) -> Answer:
    link = await parts[Shares].link(call.path["share_code"])
    return Answer(303, b"", TEXT, {"Location": link, **_SOON})


def _card(shared: Shared) -> ShareCard:
    return ShareCard(
        code=shared.code,
        scene=shared.code,
        path=shared.path,
        page=shared.page,
        wxacode_path=f"/v1/shares/{shared.code}/wxacode" if shared.has_wxacode else None,
        room=shared.room,
        online=shared.online,
    )


declare_path_parameters(
    share_code=PathParameter(CODE_PATTERN, "unknown_share", "A short code of a room"),
)

ROUTES = [
    Route(
        "GET",
        "/v1/rooms/{room_id}/share",
        show_card,
        "The share card of a room",
        "share",
        {200: ShareCard},
        ("unknown_room", "store_unavailable"),
        description="Its code is made at the first call, and never changes.",
    ),
    Route(
        "GET",
        "/v1/shares/{share_code}",
        show_share,
        "What a short code stands for",
        "share",
        {200: ShareCard},
        ("unknown_share", "unknown_room", "store_unavailable"),
        description="For the mini-program, with the `scene` that it was opened by.",
    ),
    Route(
        "GET",
        "/v1/shares/{share_code}/wxacode",
        show_wxacode,
        "The mini-program's code of a room, as a picture",
        "share",
        {303: bytes},
        (
            *("unknown_share", "wxacode_off", "wxacode_unavailable"),
            *("media_unavailable", "store_unavailable"),
        ),
        content_type="text/plain",
        description="WeChat draws it once; after that it is a picture like others.",
    ),
    Route(
        "GET",
        "/s/{share_code}",
        follow,
        "Follow a short link",
        "share",
        {303: bytes},
        ("unknown_share", "store_unavailable"),
        content_type="text/plain",
        description="To the page of the room, for browsers: `LIVESALE__SHOP__ROOM_URL`.",
    ),
]
