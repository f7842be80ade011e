"""Lucky bags, their lists and prizes. Queries only; every one takes a connection.

The list of entries is in Redis until the draw. Then one transaction writes the rest of the list
and the winners, before the first prize is given.
"""

from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Any

from msgspec import Struct, structs
from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.database.keyed import update_by_key
from livesale.ledger.tables import orders
from livesale.rooms.bags.tables import bag_entries, bag_prizes, bags
from livesale.validation.lists import has_words


class BagState(StrEnum):
    PREPARING = "preparing"  # not in Redis yet
    OPEN = "open"
    DRAWN = "drawn"  # the record is final; prizes are being given
    SETTLED = "settled"  # every prize is given, or lost
    VOID = "void"  # it could not be drawn


class PrizeState(StrEnum):
    PENDING = "pending"
    GIVEN = "given"  # see its order or `claimed_ms` for what followed
    LOST = "lost"  # it could not be given: `reason` says why


class Bag(Struct, frozen=True):
    """A row of `bags`. `seed` is secret until the draw, `salt` always."""

    bag_id: str
    room_id: str
    title: str
    state: str
    drop_id: str | None
    coupon: str | None
    places: int
    stay_ms: int
    claim_ms: int
    draws_ms: int
    seed: str
    salt: str
    commitment: str
    created_ms: int
    phrase: str | None = None  # a required comment
    list_hash: str | None = None
    entries: int | None = None
    drawn_ms: int | None = None
    reason: str | None = None


class Prize(Struct, frozen=True):
    """A row of `bag_prizes`; `place` is 1 for the first winner."""

    bag_id: str
    place: int
    entry_id: str
    buyer_id: str
    state: str
    rid: str | None = None
    code: str | None = None
    claim_by_ms: int | None = None
    claimed_ms: int | None = None
    reason: str | None = None


_BAG = select(*[bags.c[name] for name in Bag.__struct_fields__])
_PRIZE = select(*[bag_prizes.c[name] for name in Prize.__struct_fields__])
RUNNING = (BagState.PREPARING, BagState.OPEN)
DRAWN = (BagState.DRAWN, BagState.SETTLED)  # the record is final


async def add_bag(connection: AsyncConnection, bag: Bag) -> None:
    await connection.execute(insert(bags), structs.asdict(bag))


async def find_bag(connection: AsyncConnection, bag_id: str) -> Bag | None:
    row = (await connection.execute(_BAG.where(bags.c.bag_id == bag_id))).first()
    return Bag(*row) if row else None


async def running_bag(connection: AsyncConnection, room_id: str) -> Bag | None:
    """The open bag of a room. The room is locked."""
    query = _BAG.where(bags.c.room_id == room_id, bags.c.state.in_(RUNNING)).limit(1)
    row = (await connection.execute(query)).first()
    return Bag(*row) if row else None


async def list_bags(
    connection: AsyncConnection, room_id: str, *, before: str, limit: int
) -> list[Bag]:
    """The bags of a room with a smaller id than `before` (or all), the newest first."""
    query = _BAG.where(bags.c.room_id == room_id).order_by(bags.c.bag_id.desc()).limit(limit)
    if before:
        query = query.where(bags.c.bag_id < before)
    return [Bag(*row) for row in await connection.execute(query)]


async def find_bags(
    connection: AsyncConnection,
    *,
    room_id: str,
    states: Collection[str],
    words: str,
    before: str,
    limit: int,
) -> list[Bag]:
    """For operators: the newest first, those with a smaller id than `before`. Empty: all."""
    query = _BAG.order_by(bags.c.bag_id.desc()).limit(limit)
    if before:
        query = query.where(bags.c.bag_id < before)
    if room_id:
        query = query.where(bags.c.room_id == room_id)
    if states:
        query = query.where(bags.c.state.in_(states))
    if words:
        query = query.where(has_words(bags.c.title, words))
    return [Bag(*row) for row in await connection.execute(query)]


async def running_bags(connection: AsyncConnection, limit: int) -> list[Bag]:
    """Bags that are not drawn yet, the next draw first."""
    query = _BAG.where(bags.c.state.in_(RUNNING))
    rows = await connection.execute(query.order_by(bags.c.draws_ms, bags.c.bag_id).limit(limit))
    return [Bag(*row) for row in rows]


async def drawn_bags(connection: AsyncConnection, after: str, limit: int) -> list[Bag]:
    """Drawn bags whose prizes are being given, by id, after `after`."""
    query = _BAG.where(bags.c.state == BagState.DRAWN, bags.c.bag_id > after)
    rows = await connection.execute(query.order_by(bags.c.bag_id).limit(limit))
    return [Bag(*row) for row in rows]


async def move_bag(
    connection: AsyncConnection, bag_id: str, before: BagState, after: BagState, **values: Any
) -> bool:
    """Change the state if it is `before`; say whether it was."""
    statement = (
        update_by_key(bags)
        .where(bags.c.bag_id == bag_id, bags.c.state == before)
        .values(state=after, **values)
    )
    return (await connection.execute(statement)).rowcount == 1


async def lock_open_bag(connection: AsyncConnection, bag_id: str) -> bool:
    """Lock a bag until the end of the transaction; say whether it takes entries."""
    query = select(bags.c.state).where(bags.c.bag_id == bag_id).with_for_update()
    return (await connection.scalar(query)) == BagState.OPEN


async def count_entries(connection: AsyncConnection, bag_id: str) -> int:
    """How many entries of a list are in SQL: the first ones. The bag is locked."""
    query = select(func.max(bag_entries.c.position)).where(bag_entries.c.bag_id == bag_id)
    return int(await connection.scalar(query) or 0)


async def entries_of(connection: AsyncConnection, bag_id: str) -> list[tuple[str, str]]:
    """(entry_id, buyer_id) of the entries in SQL, in order."""
    query = (
        select(bag_entries.c.entry_id, bag_entries.c.buyer_id)
        .where(bag_entries.c.bag_id == bag_id)
        .order_by(bag_entries.c.position)
    )
    return [(row.entry_id, row.buyer_id) for row in await connection.execute(query)]


async def forget_entries(connection: AsyncConnection, bag_id: str) -> None:
    await connection.execute(delete(bag_entries).where(bag_entries.c.bag_id == bag_id))


async def add_entries(
    connection: AsyncConnection, bag_id: str, before: int, entries: Sequence[tuple[str, str]]
) -> None:
    """Write (entry_id, buyer_id) in order, after the first `before` of the list."""
    rows = [
        {"bag_id": bag_id, "position": position, "entry_id": entry_id, "buyer_id": buyer_id}
        for position, (entry_id, buyer_id) in enumerate(entries, before + 1)
    ]
    if rows:
        await connection.execute(insert(bag_entries), rows)


async def list_of(connection: AsyncConnection, bag_id: str) -> list[str]:
    """The entry ids of a drawn bag, in the order of the list."""
    query = (
        select(bag_entries.c.entry_id)
        .where(bag_entries.c.bag_id == bag_id)
        .order_by(bag_entries.c.position)
    )
    return list((await connection.scalars(query)).all())


async def has_entered(connection: AsyncConnection, bag_id: str, buyer_id: str) -> bool:
    query = select(bag_entries.c.position).where(
        bag_entries.c.bag_id == bag_id, bag_entries.c.buyer_id == buyer_id
    )
    return (await connection.execute(query)).first() is not None


async def add_prizes(connection: AsyncConnection, prizes: Sequence[Prize]) -> None:
    if prizes:
        await connection.execute(insert(bag_prizes), [structs.asdict(prize) for prize in prizes])


async def prizes_of(
    connection: AsyncConnection, bag_id: str, states: Collection[str] = tuple(PrizeState)
) -> list[Prize]:
    """The prizes of a bag, the first place first."""
    query = _PRIZE.where(bag_prizes.c.bag_id == bag_id, bag_prizes.c.state.in_(states)).order_by(
        bag_prizes.c.place
    )
    return [Prize(*row) for row in await connection.execute(query)]


async def winners_of(connection: AsyncConnection, bag_ids: Collection[str]) -> dict[str, list[str]]:
    """The winning entry ids of each of these bags, by place; bags without winners are missing."""
    query = select(bag_prizes.c.bag_id, bag_prizes.c.entry_id).where(
        bag_prizes.c.bag_id.in_(bag_ids)
    )
    found: dict[str, list[str]] = {}
    for row in await connection.execute(query.order_by(bag_prizes.c.bag_id, bag_prizes.c.place)):
        found.setdefault(row.bag_id, []).append(row.entry_id)
    return found


async def prize_of(connection: AsyncConnection, bag_id: str, buyer_id: str) -> Prize | None:
    query = _PRIZE.where(bag_prizes.c.bag_id == bag_id, bag_prizes.c.buyer_id == buyer_id)
    row = (await connection.execute(query)).first()
    return Prize(*row) if row else None


class Settled(Struct, frozen=True):
    """The outcome of a pending prize."""

    place: int
    state: PrizeState
    rid: str | None = None
    code: str | None = None
    claim_by_ms: int | None = None
    reason: str | None = None


async def settle_prizes(
    connection: AsyncConnection, bag_id: str, settled: Sequence[Settled]
) -> None:
    """Save the outcome of pending prizes; a repeat changes nothing."""
    if not settled:
        return
    statement = (
        update(bag_prizes)
        .where(
            bag_prizes.c.bag_id == bag_id,
            bag_prizes.c.place == bindparam("at_place"),
            bag_prizes.c.state == PrizeState.PENDING,
        )
        .values(
            {name: bindparam(f"to_{name}") for name in Settled.__struct_fields__ if name != "place"}
        )
    )
    rows = [
        {"at_place" if name == "place" else f"to_{name}": value for name, value in fields.items()}
        for fields in map(structs.asdict, settled)
    ]
    await connection.execute(statement, rows)


async def claim_coupon(connection: AsyncConnection, prize: Prize, at_ms: int) -> bool:
    """Mark a coupon as claimed; returns False if it was before, or its time is over."""
    statement = (
        update(bag_prizes)
        .where(
            bag_prizes.c.bag_id == prize.bag_id,
            bag_prizes.c.place == prize.place,
            bag_prizes.c.state == PrizeState.GIVEN,
            bag_prizes.c.claimed_ms.is_(None),
            bag_prizes.c.claim_by_ms > at_ms,
        )
        .values(claimed_ms=at_ms)
    )
    return (await connection.execute(statement)).rowcount == 1


async def states_of_orders(connection: AsyncConnection, rids: Collection[str]) -> dict[str, str]:
    """The state of each of these orders that is in SQL."""
    query = select(orders.c.order_id, orders.c.state).where(orders.c.order_id.in_(rids))
    return {row.order_id: row.state for row in await connection.execute(query)}
