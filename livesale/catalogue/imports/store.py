"""Imports and their rows in SQL. Queries only."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.catalogue.imports.tables import import_rows, imports
from livesale.spreadsheets.sheet import SheetRow
from livesale.validation.lists import has_words

WAITING, DONE = "waiting", "done"
GOOD, BAD = "good", "bad"
PAGE = 500  # rows in one statement


class Import(Struct, frozen=True):
    """A row of `imports`, without the keys of its request."""

    import_id: str
    name: str
    state: str
    columns: list[str]
    rows: int
    actor: str
    created_ms: int
    ended_ms: int | None


class ImportRow(Struct, frozen=True):
    """A row of the file. `reason` is empty unless it is bad."""

    row: int
    cells: list[str]
    state: str
    reason: str
    product_id: str | None
    sku_id: str | None


_IMPORT = select(*[imports.c[name] for name in Import.__struct_fields__])
_ROW = select(*[import_rows.c[name] for name in ImportRow.__struct_fields__])


async def add_import(
    connection: AsyncConnection,
    made: Import,
    request_id: str,
    digest: str,
    rows: Sequence[SheetRow],
) -> None:
    values: dict[str, Any] = {name: getattr(made, name) for name in Import.__struct_fields__}
    values |= {"columns": _json(made.columns), "request_id": request_id, "digest": digest}
    await connection.execute(insert(imports), values)
    for start in range(0, len(rows), PAGE):
        page = [
            {
                "import_id": made.import_id,
                "row": row.number,
                "cells": _json(row.cells),
                "state": WAITING,
                "reason": "",
            }
            for row in rows[start : start + PAGE]
        ]
        await connection.execute(insert(import_rows), page)


async def find_by_request(
    connection: AsyncConnection, request_id: str
) -> tuple[Import, str] | None:
    """An import by its request, and the digest of its file."""
    query = _IMPORT.add_columns(imports.c.digest).where(imports.c.request_id == request_id)
    row = (await connection.execute(query)).first()
    return (_import(row[:-1]), row[-1]) if row else None


async def find_import(connection: AsyncConnection, import_id: str) -> Import | None:
    row = (await connection.execute(_IMPORT.where(imports.c.import_id == import_id))).first()
    return _import(row) if row else None


async def lock_import(connection: AsyncConnection, import_id: str) -> bool:
    """Locks an import that is not done: its rows are in a line. False if it is done."""
    query = select(imports.c.state).where(imports.c.import_id == import_id).with_for_update()
    return await connection.scalar(query) == WAITING


async def list_imports(
    connection: AsyncConnection, *, before: str, limit: int, state: str = "", words: str = ""
) -> list[Import]:
    """Imports with a smaller id than `before` (or all, when it is empty), the newest first."""
    query = _IMPORT.order_by(imports.c.import_id.desc()).limit(limit)
    if state:
        query = query.where(imports.c.state == state)
    if words:
        query = query.where(has_words(imports.c.name, words))
    if before:
        query = query.where(imports.c.import_id < before)
    return [_import(row) for row in await connection.execute(query)]


async def waiting_imports(connection: AsyncConnection, limit: int) -> list[str]:
    """The oldest first."""
    query = select(imports.c.import_id).where(imports.c.state == WAITING)
    return list((await connection.scalars(query.order_by(imports.c.import_id).limit(limit))).all())


async def counts_of(
    connection: AsyncConnection, import_ids: Sequence[str]
) -> dict[str, dict[str, int]]:
    """How many rows are in each state, by import."""
    query = (
        select(import_rows.c.import_id, import_rows.c.state, func.count())
        .where(import_rows.c.import_id.in_(import_ids))
        .group_by(import_rows.c.import_id, import_rows.c.state)
    )
    found: dict[str, dict[str, int]] = {}
    for import_id, state, count in await connection.execute(query):
        found.setdefault(import_id, {})[state] = count
    return found


async def rows_of(
    connection: AsyncConnection, import_id: str, *, state: str = "", after: int = 0, limit: int
) -> list[ImportRow]:
    """In the order of the file."""
    query = _ROW.where(import_rows.c.import_id == import_id, import_rows.c.row > after)
    if state:
        query = query.where(import_rows.c.state == state)
    found = await connection.execute(query.order_by(import_rows.c.row).limit(limit))
    return [_row(row) for row in found]


async def settle_row(
    connection: AsyncConnection,
    import_id: str,
    row: int,
    state: str,
    *,
    reason: str = "",
    product_id: str | None = None,
    sku_id: str | None = None,
) -> bool:
    """Note what became of a row; False if that was noted before."""
    done = await connection.execute(
        update(import_rows)
        .where(
            import_rows.c.import_id == import_id,
            import_rows.c.row == row,
            import_rows.c.state == WAITING,
        )
        .values(state=state, reason=reason[:500], product_id=product_id, sku_id=sku_id)
    )
    return done.rowcount == 1


async def end_import(connection: AsyncConnection, import_id: str, at_ms: int) -> None:
    await connection.execute(
        update(imports)
        .where(imports.c.import_id == import_id, imports.c.state == WAITING)
        .values(state=DONE, ended_ms=at_ms)
    )


def _import(row: Any) -> Import:
    values = dict(zip(Import.__struct_fields__, row, strict=True))
    return Import(**{**values, "columns": msgspec.json.decode(values["columns"])})


def _row(row: Any) -> ImportRow:
    values = dict(zip(ImportRow.__struct_fields__, row, strict=True))
    return ImportRow(**{**values, "cells": msgspec.json.decode(values["cells"])})


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
