"""Writes the line of a drop into Redis, from SQL."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.ledger.line_rows import batches_of, leaves_of, line_of, turns_of
from stock.line.model import LineMode
from stock.restorer import Restorer

Pair = tuple[str | int, str | int]


async def rebuild_line(
    connection: AsyncConnection, restorer: Restorer, token: str, drop_id: str, opens_ms: int
) -> bool:
    """Write places, turns and the line itself, if the drop has one; whether it has."""
    line = await line_of(connection, drop_id)
    if line is None:
        return False
    leaves = await leaves_of(connection, drop_id)
    early: int | None = line.early
    async for first, _, at_ms, buyers in batches_of(connection, drop_id):
        if early is None and at_ms >= opens_ms:
            early = first  # the keeper had not closed the gathering yet
        # In their order: the later place of a buyer who left replaces the earlier one.
        places: list[Pair] = [
            (buyer, f"{place}|l" if place in leaves else str(place))
            for place, buyer in enumerate(buyers, first)
        ]
        await restorer.restore_line(drop_id, token, "places", places)
    turns = await turns_of(connection, drop_id)
    await restorer.restore_line(
        drop_id,
        token,
        "turns",
        [(until, f"{first}|{until}|{at_ms}") for first, until, at_ms in turns],
    )
    served_ms = turns[-1][2] if turns else 0
    await restorer.restore_line(drop_id, token, "line", _fields(line, early, served_ms))
    return True


def _fields(line: Any, early: int | None, served_ms: int) -> list[Pair]:
    terms = [line.commitment, line.turn_ms, line.rate, line.capacity]
    terms += [] if line.mode == LineMode.TURNS else [line.mode]
    fields: list[Pair] = [
        ("state", line.state),
        ("n", line.places),
        ("serving", line.serving),
        ("served_ms", served_ms),
        ("left", line.leavers),
        ("turn_ms", line.turn_ms),
        ("rate", line.rate),
        ("capacity", line.capacity),
        ("commitment", line.commitment),
        ("mode", line.mode),
        ("opened_as", "|".join(map(str, terms))),
    ]
    if early is not None:
        fields.append(("n0", early))
    if line.closing_id:
        fields += [("closing_id", line.closing_id), ("seed", line.seed)]
    return fields
