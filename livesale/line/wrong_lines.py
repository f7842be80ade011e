"""Rows of a line that contradict each other or its promises: I13 and I14, within SQL.

It replays the order: from the seed it computes the position of each buyer with an order, and
compares the time of the order with the turn of that position. A draw it draws again.
"""

import asyncio
import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from msgspec import Struct, field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.draws.order import Order
from livesale.ledger.line_rows import batches_of, leaves_of, line_of, turns_of
from livesale.ledger.tables import orders
from livesale.line.drawn import DrawnOrder
from livesale.line.line_draws import read_early, read_places, why_wrong
from livesale.line.places import place_rid
from stock.line.model import LineMode, LineState

SHOWN = 6
# Times are Redis's, whose clock may step: a turn that began before a step back may be later by its
# time than what was bought in it.
STEP_MS = 2_000


class LineFaults(Struct):
    """What is wrong with one line: with its order (I13), and with orders out of turn (I14)."""

    order: list[str] = field(default_factory=list)
    turns: list[str] = field(default_factory=list)
    places: int = 0
    orders: int = 0


async def find_faults(connection: AsyncConnection, drop_id: str) -> LineFaults | None:
    """None if the drop has no line. Reads every place, so it takes a second for a million."""
    line = await line_of(connection, drop_id)
    if line is None:
        return None
    row = orders.c
    query = select(row.order_id, row.buyer_id, row.created_ms).where(
        row.order_id > f"{drop_id}-", row.order_id < f"{drop_id}.", row.price_fen > 0
    )
    bought = (await connection.execute(query)).all()
    found = LineFaults(places=line.places, orders=len(bought))
    wanted: dict[str, list[int]] = {buyer_id: [] for _, buyer_id, _ in bought}
    await _check_places(connection, line, wanted, found)
    turns = await turns_of(connection, drop_id)
    _check_line(line, turns, found)
    order = await _order(connection, line, found)
    _check_orders(line, turns, bought, wanted, order, found)
    return found


async def _check_places(
    connection: AsyncConnection, line: Any, wanted: dict[str, list[int]], found: LineFaults
) -> None:
    """One place a buyer, in a row without a gap. Notes the places of the wanted buyers."""
    leaves = await leaves_of(connection, line.drop_id)
    here: set[str] = set()
    gone: list[tuple[int, str]] = sorted(leaves.items())
    count, unmatched = 0, set(gone)
    last: dict[str, int] = {buyer_id: -1 for _, buyer_id in gone}
    async for first, people, _, buyers in batches_of(connection, line.drop_id):
        if first != count or people != len(buyers):
            _note(found.order, f"{line.drop_id}: {people} places from {first}, after {count}")
        for place, buyer_id in enumerate(buyers, first):
            before = last.get(buyer_id, -1)
            if buyer_id in here and leaves.get(before) != buyer_id:
                _note(found.order, f"{line.drop_id}: {buyer_id} has two places, one is {place}")
            here.add(buyer_id)
            if buyer_id in last:
                last[buyer_id] = place
            unmatched.discard((place, buyer_id))
            if buyer_id in wanted:
                wanted[buyer_id].append(place)
        count = first + len(buyers)
    if count != line.places:
        _note(found.order, f"{line.drop_id}: {count} places, the line says {line.places}")
    if unmatched or len(gone) != line.leavers:
        _note(
            found.order,
            f"{line.drop_id}: {len(gone)} places were left, the line says {line.leavers}, and "
            f"{len(unmatched)} of them are nobody's",
        )


async def _order(connection: AsyncConnection, line: Any, found: LineFaults) -> Order | DrawnOrder:
    if line.mode != LineMode.DRAW:
        return Order(line.seed, line.early or 0, line.closing_id)
    if line.early is None:
        return DrawnOrder([])
    places = await read_places(connection, line.drop_id)
    early = await read_early(connection, line)
    wrong = await asyncio.to_thread(why_wrong, line, early, places)
    if wrong:
        _note(found.order, wrong)
    is_whole = sorted(places) == list(range(len(places)))
    return DrawnOrder(places if is_whole else [])


def _check_line(line: Any, turns: Sequence[tuple[int, int, int]], found: LineFaults) -> None:
    """The seed is the promised one, and serving only rises."""
    is_open = line.state in (LineState.OPEN, LineState.GONE)
    if hashlib.sha256(bytes.fromhex(line.seed)).hexdigest() != line.commitment:
        _note(found.order, f"{line.drop_id}: the seed is not the one that was promised")
    is_closed = bool(line.closing_id) or line.mode == LineMode.WAITLIST
    if is_open != is_closed or (is_open and line.early is None):
        _note(found.order, f"{line.drop_id} is {line.state} with the closing {line.closing_id!r}")
    if line.early is not None and line.early > line.places:
        _note(found.order, f"{line.drop_id}: {line.early} of {line.places} came early")
    serving = 0
    for first, until, _ in turns:
        if first != serving or until <= first:
            _note(found.order, f"{line.drop_id} serves {first} to {until}, after {serving}")
        serving = until
    if serving != line.serving or serving > line.places:
        _note(
            found.order,
            f"{line.drop_id} has served {serving} of {line.places}, it says {line.serving}",
        )


def _check_orders(
    line: Any,
    turns: Sequence[tuple[int, int, int]],
    bought: Sequence[Any],
    places: dict[str, list[int]],
    order: Order | DrawnOrder,
    found: LineFaults,
) -> None:
    """Every order was made in a turn of its buyer, and none after the end.

    Units of draws are held only for people in line. Besides a waitlist people may buy.
    """
    ends = [until for _, until, _ in turns]
    for order_id, buyer_id, created_ms in bought:
        positions = [order.position_of(place) for place in places[buyer_id]]
        began = [
            turns[at][2] for at in (bisect_right(ends, p) for p in positions) if at < len(turns)
        ]
        is_held = order_id in {
            place_rid(line.drop_id, buyer_id, place) for place in places[buyer_id]
        }
        if line.mode == LineMode.WAITLIST and not is_held:
            continue
        if line.mode == LineMode.DRAW and not is_held:
            _note(found.turns, f"{order_id} is not the unit of a place of {buyer_id}")
        elif not positions:
            _note(found.turns, f"{order_id}: {buyer_id} has no place in the line")
        elif not any(-STEP_MS <= created_ms - at_ms <= line.turn_ms + STEP_MS for at_ms in began):
            when = f"at {created_ms}, in no turn of {line.turn_ms} ms from {began}"
            _note(found.turns, f"{order_id} was reserved {when}, of {buyer_id} ({line.mode})")
        if line.ended_ms is not None and created_ms > line.ended_ms + STEP_MS:
            _note(found.turns, f"{order_id} was reserved after its line was {line.state}")


def _note(faults: list[str], text: str) -> None:
    if len(faults) < SHOWN:
        faults.append(text)
