"""/v1/admin/imports, /v1/admin/exports"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from livesale.access.actions import Action
from livesale.catalogue.imports.exports import Exports
from livesale.catalogue.imports.service import ImportProgress, Imports
from livesale.catalogue.imports.store import ImportRow
from livesale.catalogue.stock_moves.routes import MOVE_CURSOR
from livesale.parts import Parts
from livesale.spreadsheets.problems import FILE_PROBLEMS
from livesale.spreadsheets.sheet import MAX_BYTES
from livesale.spreadsheets.writing import CONTENT_TYPE, file_headers
from livesale.validation.texts import PROSE_PATTERN, whole
from livesale.web.routes import Answer, Call, PathParameter, Route, declare_path_parameters
from stock.ids import DROP_ID_PATTERN

_KINDS = (
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "text/csv",
    "application/octet-stream",
)
_ID = r"^[0-9a-z]{0,15}$"


class ImportQuery(Struct, frozen=True):
    name: Annotated[
        str,
        whole(
            rf"^({PROSE_PATTERN[1:-1]})?$", max_length=200, description="of the file, for people"
        ),
    ] = ""


class ImportsQuery(Struct, frozen=True):
    q: Annotated[str, Meta(max_length=100, description="a part of the name, in any case")] = ""
    state: Literal["waiting", "done", ""] = ""
    after: Annotated[str, whole(_ID, description="`next` of a page")] = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


class ImportPage(Struct, frozen=True):
    """Send `next` as `after` to get the next page; null at the end."""

    imports: list[ImportProgress]
    next: str | None


class ImportRowsQuery(Struct, frozen=True):
    after: Annotated[int, Meta(ge=0, le=2**31 - 1, description="`next` of a page")] = 0
    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    state: Literal["waiting", "good", "bad", ""] = ""


class ImportRowPage(Struct, frozen=True):
    """Send `next` as `after` to get the next page; null at the end."""

    rows: list[ImportRow]
    next: int | None


class GoodsExportQuery(Struct, frozen=True):
    after: Annotated[str, whole(_ID, description="from the header Link")] = ""


class MovesExportQuery(Struct, frozen=True):
    after: Annotated[str, whole(MOVE_CURSOR, description="from the header Link")] = ""
    sku_id: Annotated[str, whole(_ID, description="only those of this SKU")] = ""


async def begin_import(parts: Parts, call: Call) -> Answer:
    progress, is_new = await parts[Imports].begin(
        call.raw, call.query.name, call.operator, call.key
    )
    return Answer(202 if is_new else 200, progress)


async def list_imports(parts: Parts, call: Call) -> Answer:
    query = call.query
    found = await parts[Imports].list(query.after, query.limit, query.state, query.q)
    is_full = len(found) == call.query.limit
    return Answer(200, ImportPage(found, found[-1].import_id if is_full else None))


async def show_import(parts: Parts, call: Call) -> Answer:
    return Answer(200, await parts[Imports].find(call.path["import_id"]))


async def list_import_rows(parts: Parts, call: Call) -> Answer:
    query = call.query
    found, cursor = await parts[Imports].rows(
        call.path["import_id"], state=query.state, after=query.after, limit=query.limit
    )
    return Answer(200, ImportRowPage(found, cursor))


async def show_bad_rows(parts: Parts, call: Call) -> Answer:
    import_id = call.path["import_id"]
    raw = await parts[Imports].bad_rows(import_id)
    return Answer(200, raw, CONTENT_TYPE, file_headers(f"bad-rows-{import_id}.csv"))


async def export_goods(parts: Parts, call: Call) -> Answer:
    raw, cursor = await parts[Exports].goods(call.query.after)
    return _file(raw, "goods", cursor, f"/v1/admin/exports/goods?after={cursor}")


async def export_moves(parts: Parts, call: Call) -> Answer:
    sku_id = call.query.sku_id
    raw, cursor = await parts[Exports].stock_moves(call.query.after, sku_id)
    path = "/v1/admin/exports/stock-moves"
    return _file(raw, "stock-moves", cursor, f"{path}?after={cursor}&sku_id={sku_id}")


def _file(raw: bytes, name: str, cursor: str | None, following: str) -> Answer:
    link = {"Link": f'<{following.replace("|", "%7C")}>; rel="next"'} if cursor else {}
    return Answer(200, raw, CONTENT_TYPE, file_headers(f"{name}.csv") | link)


declare_path_parameters(
    import_id=PathParameter(DROP_ID_PATTERN, "unknown_import", "An import's id")
)

ROUTES = [
    Route(
        "POST",
        "/v1/admin/imports",
        begin_import,
        "Import goods from xlsx or csv",
        "admin",
        {200: ImportProgress, 202: ImportProgress},
        (*FILE_PROBLEMS, "idempotency_conflict", "store_unavailable"),
        auth="operator",
        action=Action.GOODS_CHANGE,
        query=ImportQuery,
        keyed=True,
        changes=True,
        files=_KINDS,
        max_bytes=lambda _: MAX_BYTES,
        description=(
            "The bytes of the file, or a `multipart/form-data` with one file. The file is checked "
            "at once; its rows go in after the answer, each once. With an `Idempotency-Key`, a "
            "retry begins no second import."
        ),
    ),
    Route(
        "GET",
        "/v1/admin/imports",
        list_imports,
        "Imports, the newest first",
        "admin",
        {200: ImportPage},
        ("store_unavailable",),
        auth="operator",
        action=Action.GOODS_READ,
        query=ImportsQuery,
    ),
    Route(
        "GET",
        "/v1/admin/imports/{import_id}",
        show_import,
        "How far an import is",
        "admin",
        {200: ImportProgress},
        ("unknown_import", "store_unavailable"),
        auth="operator",
        action=Action.GOODS_READ,
    ),
    Route(
        "GET",
        "/v1/admin/imports/{import_id}/rows",
        list_import_rows,
        "The rows of an import, and what became of each",
        "admin",
        {200: ImportRowPage},
        ("unknown_import", "store_unavailable"),
        auth="operator",
        action=Action.GOODS_READ,
        query=ImportRowsQuery,
    ),
    Route(
        "GET",
        "/v1/admin/imports/{import_id}/bad-rows",
        show_bad_rows,
        "The bad rows with their reasons, as csv",
        "admin",
        {200: bytes},
        ("unknown_import", "store_unavailable"),
        auth="operator",
        action=Action.GOODS_READ,
        content_type=CONTENT_TYPE,
        description="Correct it, and import it: the column `reason` is ignored.",
    ),
    Route(
        "GET",
        "/v1/admin/exports/goods",
        export_goods,
        "Goods as csv",
        "admin",
        {200: bytes},
        ("store_unavailable",),
        auth="operator",
        action=Action.GOODS_READ,
        query=GoodsExportQuery,
        content_type=CONTENT_TYPE,
        description="5,000 SKUs at once; the header `Link` has the address of the rest.",
    ),
    Route(
        "GET",
        "/v1/admin/exports/stock-moves",
        export_moves,
        "Moves of stock as csv",
        "admin",
        {200: bytes},
        ("store_unavailable",),
        auth="operator",
        action=Action.GOODS_READ,
        query=MovesExportQuery,
        content_type=CONTENT_TYPE,
        description="5,000 moves at once; the header `Link` has the address of the rest.",
    ),
]
