"""Draws: the keeper makes them once, everybody reads what they follow from.

The record is written first: list, hash and order, in one transaction that only one keeper commits.
Then units are held in that order.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.database.session import session
from livesale.draws.lots import commitment_of, entry_id_of
from livesale.ledger.line_rows import batches_of, left_at
from livesale.ledger.line_tables import line_entries, lines
from livesale.ledger.tables import drops
from livesale.line.drawn import DrawnList, DrawnOrder, Early, LineDraw, draw, early_places
from livesale.resources import Deployment
from livesale.tasks.ttl_cache import TtlCache
from livesale.validation.refusals import SalesFault, Unknown
from stock.line.model import LineMode
from stock.model import MAX_BATCH

KEEP_S = 60.0
PORTION = MAX_BATCH  # positions in a row


class LineDraws:
    """Raises StoreUnavailable."""

    def __init__(self, deployment: Deployment) -> None:
        self._sql = deployment.sql
        # A record never changes. One of 100,000 entries has 3 MB.
        self._shown: TtlCache[bytes] = TtlCache(self._read, ttl_s=KEEP_S, max_found=20)

    async def make(self, drop_id: str) -> bool:
        """Draw, if the line is open in SQL, too; whether it is drawn now."""
        async with session(self._sql) as connection:
            line = await _line(connection, drop_id)
            if line is None or not line.closing_id:
                return False
            if line.list_hash:
                return True
            early = await read_early(connection, line)
        made = await asyncio.to_thread(draw, line.seed, line.salt, early)
        buyers = {one.place: one.buyer_id for one in early}
        rows = [
            {
                "drop_id": drop_id,
                "first_position": first,
                "places": " ".join(map(str, some)),
                "buyers": " ".join(buyers[place] for place in some),
            }
            for first in range(0, len(made.places), PORTION)
            if (some := made.places[first : first + PORTION])
        ]
        async with session(self._sql, write=True) as connection:
            done = await connection.execute(
                update(lines)
                .where(lines.c.drop_id == drop_id, lines.c.list_hash == "")
                .values(list_hash=made.list_hash, entries=len(made.order))
            )
            if done.rowcount == 1 and rows:
                await connection.execute(insert(line_entries), rows)
        return True

    async def show(self, drop_id: str) -> bytes:
        """The record, as JSON. Raises Unknown (unknown_line) and SalesFault (draw_pending)."""
        return await self._shown.get(drop_id) or b""

    async def order(self, drop_id: str) -> DrawnOrder | None:
        """The positions; None until it is drawn."""
        async with session(self._sql) as connection:
            query = select(lines.c.list_hash).where(lines.c.drop_id == drop_id)
            if not await connection.scalar(query):
                return None
            return DrawnOrder(await read_places(connection, drop_id))

    async def next_in(
        self, drop_id: str, serving: int, most: int, *, early: int
    ) -> list[tuple[str, int]]:
        """Buyer and place of the next positions that SQL knows, in their order."""
        found: list[tuple[str, int]] = []
        most = min(most, MAX_BATCH)
        async with session(self._sql) as connection:
            if serving < early:
                found = await _drawn_next(connection, drop_id, serving, most)
            position = serving + len(found)
            if position >= early and len(found) < most:
                found += await _joined_next(connection, drop_id, position, most - len(found))
        return found

    async def _read(self, drop_id: str) -> bytes:
        async with session(self._sql) as connection:
            line = await _line(connection, drop_id)
            if line is None or line.mode != LineMode.DRAW:
                raise Unknown("unknown_line")
            if not line.list_hash:
                raise SalesFault("draw_pending", "The list is open, or its order is being drawn.")
            early = await read_early(connection, line)
            places = await read_places(connection, drop_id)
        return await asyncio.to_thread(_record, line, early, places)


def _record(line: Any, early: Sequence[Early], places: Sequence[int]) -> bytes:
    here = [one for one in early if not one.left]
    numbers = {one.place: number for number, one in enumerate(here)}
    record = LineDraw(
        drop_id=line.drop_id,
        commitment=line.commitment,
        seed=line.seed,
        list_hash=line.list_hash,
        entry_ids=[entry_id_of(line.salt, one.buyer_id) for one in here],
        order=[numbers[place] for place in places if place in numbers],
    )
    return msgspec.json.encode(record)


def why_wrong(line: Any, early: Sequence[Early], places: Sequence[int]) -> str:
    """Why a drawn order is not that of its list and seed, or nothing."""
    if not line.list_hash:
        return f"{line.drop_id} has served before its draw" if line.serving else ""
    made: DrawnList = draw(line.seed, line.salt, early)
    if (made.list_hash, len(made.order)) != (line.list_hash, line.entries):
        return f"{line.drop_id}: the list that was drawn is not the list of those who entered"
    if made.places != list(places) or commitment_of(line.seed) != line.commitment:
        return f"{line.drop_id}: the drawn order is not that of the seed"
    return ""


async def read_early(connection: AsyncConnection, line: Any) -> list[Early]:
    """The early places of a line that is closed, with who left before the opening."""
    batches = [
        (first, buyers)
        async for first, _, _, buyers in batches_of(connection, line.drop_id)
        if first < line.early
    ]
    query = select(drops.c.opens_ms).where(drops.c.drop_id == line.drop_id)
    opens_ms = int(await connection.scalar(query) or 0)
    return early_places(batches, await left_at(connection, line.drop_id), line.early, opens_ms)


async def read_places(connection: AsyncConnection, drop_id: str) -> list[int]:
    """The places of a drawn order, by position."""
    row = line_entries.c
    query = select(row.places).where(row.drop_id == drop_id).order_by(row.first_position)
    texts = (await connection.scalars(query)).all()
    return [int(place) for text in texts for place in text.split(" ")]


async def _line(connection: AsyncConnection, drop_id: str) -> Any:
    query = select(lines).where(lines.c.drop_id == drop_id)
    return (await connection.execute(query)).first()


async def _drawn_next(
    connection: AsyncConnection, drop_id: str, position: int, most: int
) -> list[tuple[str, int]]:
    row, first = line_entries.c, position - position % PORTION
    query = (
        select(row.first_position, row.places, row.buyers)
        .where(row.drop_id == drop_id, row.first_position >= first)
        .order_by(row.first_position)
        .limit(2)
    )
    found: list[tuple[str, int]] = []
    for _, places, buyers in await connection.execute(query):
        found += zip(buyers.split(" "), map(int, places.split(" ")), strict=True)
    return found[position - first :][:most]


async def _joined_next(
    connection: AsyncConnection, drop_id: str, place: int, most: int
) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    async for first, _, _, buyers in batches_of(connection, drop_id, after=place - MAX_BATCH):
        if first > place + len(found):
            break  # the writer has not come so far
        found += [(buyer, at) for at, buyer in enumerate(buyers, first) if at >= place][
            : most - len(found)
        ]
        if len(found) == most:
            break
    return found
