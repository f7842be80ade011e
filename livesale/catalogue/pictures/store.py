"""Pictures in SQL. Queries only."""

from collections.abc import Collection
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.catalogue.pictures.tables import pictures
from livesale.database.keyset import older


class PictureFile(Struct, frozen=True):
    """One size of a picture. `webp` and `jpeg` are names under /media/."""

    width: int
    height: int
    webp: str
    jpeg: str


class Picture(Struct, frozen=True):
    """A picture that was uploaded; `files` by size: thumb, medium, large."""

    picture_id: str
    width: int
    height: int
    files: dict[str, PictureFile]
    actor: str
    created_ms: int


_PICTURE = select(*[pictures.c[name] for name in Picture.__struct_fields__])


async def add_picture(connection: AsyncConnection, picture: Picture) -> None:
    values = {name: getattr(picture, name) for name in Picture.__struct_fields__}
    values["files"] = msgspec.json.encode(picture.files).decode()
    await connection.execute(insert(pictures), values)


async def find_pictures(
    connection: AsyncConnection, picture_ids: Collection[str]
) -> dict[str, Picture]:
    """Those of these that exist, by id."""
    if not picture_ids:
        return {}
    query = _PICTURE.where(pictures.c.picture_id.in_(set(picture_ids)))
    found = map(_picture, await connection.execute(query))
    return {picture.picture_id: picture for picture in found}


async def list_pictures(
    connection: AsyncConnection, *, before: tuple[int, str] | None, limit: int
) -> list[Picture]:
    """The newest first, after the key `before`."""
    created_ms, picture_id = pictures.c.created_ms, pictures.c.picture_id
    query = _PICTURE.order_by(created_ms.desc(), picture_id.desc()).limit(limit)
    if before:
        query = query.where(older(created_ms, picture_id, before))
    return [_picture(row) for row in await connection.execute(query)]


def _picture(row: Any) -> Picture:
    values = dict(zip(Picture.__struct_fields__, row, strict=True))
    files = msgspec.json.decode(values["files"], type=dict[str, PictureFile])
    return Picture(**{**values, "files": files})
