"""The writer's rows of lines, in the caller's transaction; and what others read of them."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.ledger.line_plan import DRAFT, LinePlan, LineStep
from livesale.ledger.line_tables import line_batches, line_leaves, line_turns, lines

PAGE = 200  # batches at once: up to 51,200 people


async def write_step(connection: AsyncConnection, drop_id: str, step: LineStep) -> bool:
    """Whether SQL had what the step expects, and has what it leads to now."""
    row = lines.c
    where = [row.drop_id == drop_id, row.state.in_(step.states)]
    expected = {"places": step.places, "serving": step.serving, "commitment": step.commitment}
    where += [row[name] == value for name, value in expected.items() if value is not None]
    values = step.after | ({"leavers": row.leavers + step.leavers} if step.leavers else {})
    done = await connection.execute(update(lines).where(*where).values(values))
    return done.rowcount == 1


def inserts_of(plan: LinePlan) -> Sequence[tuple[Any, list[dict[str, Any]]]]:
    """The rows to insert, by table."""
    return (
        (line_batches, plan.batches),
        (line_leaves, plan.leaves),
        (line_turns, plan.turns),
    )


async def line_of(connection: AsyncConnection, drop_id: str) -> Any:
    """The row of a line that people may have joined, or None."""
    query = select(lines).where(lines.c.drop_id == drop_id, lines.c.state != DRAFT)
    return (await connection.execute(query)).first()


async def places_of(connection: AsyncConnection, drop_id: str) -> int:
    """How many places a drop's line has given, in SQL; 0 without a line."""
    query = select(lines.c.places).where(lines.c.drop_id == drop_id)
    return int(await connection.scalar(query) or 0)


async def batches_of(
    connection: AsyncConnection, drop_id: str, *, after: int = -1
) -> AsyncIterator[tuple[int, int, int, list[str]]]:
    """First place, number of people, time and buyers of each batch, by their places.

    Only batches that begin behind the place `after`.
    """
    row, last = line_batches.c, after
    while True:
        query = (
            select(row.first_place, row.people, row.at_ms, row.buyers)
            .where(row.drop_id == drop_id, row.first_place > last)
            .order_by(row.first_place)
            .limit(PAGE)
        )
        found = (await connection.execute(query)).all()
        for first, people, at_ms, text in found:
            yield first, people, at_ms, text.split(" ")
        if len(found) < PAGE:
            return
        last = found[-1][0]


async def leaves_of(connection: AsyncConnection, drop_id: str) -> dict[int, str]:
    """Who left, by place."""
    row = line_leaves.c
    found = await connection.execute(select(row.place, row.buyer_id).where(row.drop_id == drop_id))
    return {place: buyer_id for place, buyer_id in found}  # noqa: C416


async def left_at(connection: AsyncConnection, drop_id: str) -> dict[int, int]:
    """When places were left, by place."""
    row = line_leaves.c
    found = await connection.execute(select(row.place, row.at_ms).where(row.drop_id == drop_id))
    return {place: at_ms for place, at_ms in found}  # noqa: C416


async def turns_of(connection: AsyncConnection, drop_id: str) -> Sequence[tuple[int, int, int]]:
    """First position, next position and time of each turn, in their order."""
    row = line_turns.c
    query = (
        select(row.first_position, row.next_position, row.at_ms)
        .where(row.drop_id == drop_id)
        .order_by(row.next_position)
    )
    return [(first, until, at_ms) for first, until, at_ms in await connection.execute(query)]
