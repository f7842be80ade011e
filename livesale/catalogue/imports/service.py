"""Imports of goods: the file is checked at once, its rows go in one by one."""

import hashlib

from msgspec import Struct

from livesale.action_log.record import note_change
from livesale.catalogue.imports import store
from livesale.catalogue.imports.columns import BadRow, read_columns
from livesale.catalogue.imports.store import BAD, GOOD, WAITING, Import, ImportRow
from livesale.database.engine import now_ms
from livesale.database.session import session
from livesale.resources import Deployment
from livesale.spreadsheets.service import FileRefused, Spreadsheets
from livesale.spreadsheets.sheet import MAX_ROWS
from livesale.spreadsheets.writing import write_csv
from livesale.validation.refusals import KeyConflict, Unknown
from stock.ids import new_id

REASON = "reason"


class ImportProgress(Struct, frozen=True):
    """An import. Of its `rows`, `good` went in, `bad` did not, and the rest waits."""

    import_id: str
    name: str
    state: str
    rows: int
    done: int
    good: int
    bad: int
    actor: str
    created_ms: int
    ended_ms: int | None


class Imports:
    """All raise StoreUnavailable."""

    def __init__(self, deployment: Deployment, spreadsheets: Spreadsheets) -> None:
        self._sql = deployment.sql
        self._spreadsheets = spreadsheets

    async def begin(
        self, raw: bytes, name: str, actor: str, key: str | None
    ) -> tuple[ImportProgress, bool]:
        """Keep the rows of a file, for the keeper; and whether that is new. With a `key` once.

        Raises FileRefused for the whole file, KeyConflict, or Crowded.
        """
        digest = hashlib.sha256(raw).hexdigest()
        request_id = _digest(actor, key) if key else new_id()
        known = await self._find_request(request_id, digest)
        if known is not None:
            return known, False
        sheet = await self._spreadsheets.read(raw)
        try:
            read_columns(sheet.columns)
        except BadRow as why:
            raise FileRefused("file_header", str(why)) from None
        made = Import(
            new_id(), name, WAITING, sheet.columns, len(sheet.rows), actor[:80], now_ms(), None
        )
        async with session(self._sql, write=True) as connection:
            again = await store.find_by_request(connection, request_id)
            if again is None:
                await store.add_import(connection, made, request_id, digest, sheet.rows)
                note_change(None, made)
        if again is not None:
            found = await self._find_request(request_id, digest)
            assert found is not None  # noqa: S101
            return found, False
        return _progress(made, {}), True

    async def find(self, import_id: str) -> ImportProgress:
        """Raises Unknown("unknown_import")."""
        async with session(self._sql) as connection:
            found = await store.find_import(connection, import_id)
            if found is None:
                raise Unknown("unknown_import")
            counts = await store.counts_of(connection, [import_id])
        return _progress(found, counts.get(import_id, {}))

    async def rows(
        self, import_id: str, *, state: str, after: int, limit: int
    ) -> tuple[list[ImportRow], int | None]:
        """A page of rows, and the `after` of the next one. Raises Unknown."""
        async with session(self._sql) as connection:
            if await store.find_import(connection, import_id) is None:
                raise Unknown("unknown_import")
            found = await store.rows_of(
                connection, import_id, state=state, after=after, limit=limit
            )
        return found, found[-1].row if len(found) == limit else None

    async def bad_rows(self, import_id: str) -> bytes:
        """A csv of the bad rows with their reasons, to be corrected and sent again. Raises
        Unknown."""
        async with session(self._sql) as connection:
            found = await store.find_import(connection, import_id)
            if found is None:
                raise Unknown("unknown_import")
            bad = await store.rows_of(connection, import_id, state=BAD, limit=MAX_ROWS)
        return write_csv([*found.columns, REASON], [[*row.cells, row.reason] for row in bad])

    async def list(
        self, before: str, limit: int, state: str = "", words: str = ""
    ) -> list[ImportProgress]:
        """The newest first."""
        async with session(self._sql) as connection:
            found = await store.list_imports(
                connection, before=before, limit=limit, state=state, words=words
            )
            counts = await store.counts_of(connection, [one.import_id for one in found])
        return [_progress(one, counts.get(one.import_id, {})) for one in found]

    async def _find_request(self, request_id: str, digest: str) -> ImportProgress | None:
        async with session(self._sql) as connection:
            known = await store.find_by_request(connection, request_id)
        if known is None:
            return None
        found, before = known
        if before != digest:
            raise KeyConflict("This key was used for another file.")
        return await self.find(found.import_id)


def _progress(found: Import, counts: dict[str, int]) -> ImportProgress:
    good, bad = counts.get(GOOD, 0), counts.get(BAD, 0)
    return ImportProgress(
        found.import_id,
        found.name,
        found.state,
        found.rows,
        good + bad,
        good,
        bad,
        found.actor,
        found.created_ms,
        found.ended_ms,
    )


def _digest(*parts: str) -> str:
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=32).hexdigest()
