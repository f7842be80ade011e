"""/v1/admin/pictures, /media/{media_name}"""

from typing import Annotated

from msgspec import Meta, Struct

from livesale.access.actions import Action
from livesale.catalogue.pictures.service import TYPES, Pictures, PictureView
from livesale.parts import Parts
from livesale.validation.texts import whole
from livesale.web.routes import Answer, Call, PathParameter, Route, declare_path_parameters

MAX_BYTES = 20 << 20  # no setting allows more
_FOREVER = "public, max-age=31536000, immutable"
KINDS = ("image/jpeg", "image/png", "image/webp", "image/gif", "application/octet-stream")


class PicturesQuery(Struct, frozen=True):
    after: Annotated[
        str, whole(r"^([0-9]{1,13}\.[0-9a-f]{32})?$", description="`next` of a page")
    ] = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


class PicturePage(Struct, frozen=True):
    """Send `next` as `after` to get the next page; null at the end."""

    pictures: list[PictureView]
    next: str | None


async def upload_picture(parts: Parts, call: Call) -> Answer:
    picture, is_new = await parts[Pictures].upload(call.raw, call.operator)
    return Answer(201 if is_new else 200, picture)


async def list_pictures(parts: Parts, call: Call) -> Answer:
    found, cursor = await parts[Pictures].list(call.query.after, call.query.limit)
    return Answer(200, PicturePage(found, cursor))


async def show_media(parts: Parts, call: Call) -> Answer:
    name = call.path["media_name"]
    tag = f'"{name}"'
    headers = {"Cache-Control": _FOREVER, "ETag": tag}
    kind = TYPES["webp" if name.endswith("webp") else "jpeg"]
    if tag in call.asked.get("If-None-Match", ""):
        return Answer(304, b"", kind, headers)
    return Answer(200, await parts[Pictures].file(name), kind, headers)


declare_path_parameters(
    media_name=PathParameter(
        r"^[0-9a-f]{32}\.(webp|jpg)$", "unknown_picture", "A file of a picture, by its content"
    ),
)

ROUTES = [
    Route(
        "POST",
        "/v1/admin/pictures",
        upload_picture,
        "Upload a picture",
        "admin",
        {200: PictureView, 201: PictureView},
        (
            *("picture_kind", "picture_mixed", "picture_pixels", "picture_broken"),
            *("media_unavailable", "store_unavailable"),
        ),
        auth="operator",
        action=Action.GOODS_CHANGE,
        changes=True,
        files=KINDS,
        max_bytes=lambda settings: settings.media.max_bytes,
        description=(
            "The bytes of the file, or a `multipart/form-data` with one file. JPEG, PNG, WebP or "
            "GIF, by its content. It is encoded again as WebP and JPEG in three sizes; nothing of "
            "the file but its pixels is kept. 200: the same file was uploaded before."
        ),
    ),
    Route(
        "GET",
        "/v1/admin/pictures",
        list_pictures,
        "Pictures, the newest first",
        "admin",
        {200: PicturePage},
        ("store_unavailable",),
        auth="operator",
        action=Action.GOODS_READ,
        query=PicturesQuery,
    ),
    Route(
        "GET",
        "/media/{media_name}",
        show_media,
        "A file of a picture",
        "goods",
        {200: bytes, 304: bytes},
        ("unknown_picture", "media_unavailable"),
        content_type="image/*",
        reads_headers=True,
        description="Its name is a hash of its content, so it may be kept for ever.",
    ),
]
