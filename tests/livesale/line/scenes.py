"""Lines for tests: gathered, opened, served, bought from."""

from typing import Any

from msgspec.structs import replace
from sqlalchemy import insert, select

from livesale.database import engine as database
from livesale.draws.order import Order
from livesale.ledger import tables
from livesale.ledger.line_tables import TABLES, lines
from livesale.line.line_draws import LineDraws
from livesale.line.places import place_rid
from livesale.resources import Deployment
from stock.ids import random_rid
from stock.line.checks import commitment_of
from stock.line.model import LineCloseCode, LineMode, LineTerms, NextInLine, ServeCode
from stock.model import Attempt, DropTerms, ReserveCode, Ticket
from tests.waiting import until

SEED, SALT = "5e" * 32, "0a" * 32
TERMS = LineTerms(commitment_of(SEED), turn_ms=60_000, rate=100_000, capacity=10_000)


async def gather(
    stage: Deployment,
    *,
    opens_in_ms: int = 1_000,
    units: int = 20,
    mode: LineMode = LineMode.TURNS,
) -> str:
    """A drop with a line that gathers: in SQL as an operator leaves it, and in Redis."""
    now_ms = await stage.engine.now_ms()
    terms = DropTerms(
        opens_ms=now_ms + opens_in_ms,
        closes_ms=now_ms + 3_600_000,
        hold_ms=600_000,
        buyer_limit=2,
        price_fen=9_900,
        allotted=units,
        expired_limit=0,
        ticket_required=True,
    )
    drop_id = f"line{now_ms}"[-15:]
    row = {
        "drop_id": drop_id,
        "campaign_id": "c1",
        "sku_id": "s1",
        "state": "opening",
        "partition": stage.keyspace.partition_of(drop_id),
        "created_ms": now_ms,
        **{name: getattr(terms, name) for name in terms.__struct_fields__},
    }
    line = {
        "drop_id": drop_id,
        "state": "draft",
        "commitment": TERMS.commitment,
        "seed": SEED,
        "turn_ms": TERMS.turn_ms,
        "rate": TERMS.rate,
        "capacity": TERMS.capacity,
        "created_ms": now_ms,
        "mode": mode.value,
        "salt": SALT,
    }
    async with database.transaction(stage.sql) as connection:
        await connection.execute(insert(tables.drops), [row])
        await connection.execute(insert(lines), [line])
    await stage.engine.open_drop(drop_id, terms)
    await stage.engine.line.open(drop_id, replace(TERMS, mode=mode))
    return drop_id


async def close(stage: Deployment, drop_id: str) -> None:
    async def is_open() -> bool:
        return await stage.engine.line.close(drop_id, SEED) is LineCloseCode.OPENED

    await until(is_open)


async def serve(stage: Deployment, drop_id: str, serving: int) -> int:
    """Give turns, once the rate allows one; the positions served then."""
    found = [serving]

    async def served() -> bool:
        outcome = await stage.engine.line.serve(drop_id, serving, 0, 1_000)
        found[0] = outcome.serving
        return outcome.code is ServeCode.SERVED

    await until(served)
    return found[0]


async def buy(stage: Deployment, drop_id: str, buyers: list[str]) -> list[str]:
    """One unit for each whose turn it is, by the ticket of that turn."""
    snapshot = await stage.engine.line.snapshot(drop_id)
    assert snapshot and snapshot.n0 is not None
    order = Order(snapshot.seed, snapshot.n0, snapshot.closing_id)
    rids = []
    for buyer in buyers:
        place = await stage.engine.line.place(drop_id, buyer)
        assert place
        position = order.position_of(place.index)
        turn = next(turn for turn in snapshot.turns if turn.first <= position < turn.until)
        ticket = Ticket(turn.at_ms * 1_000, turn.at_ms + snapshot.terms.turn_ms)
        rid = random_rid(drop_id)
        batch = await stage.engine.reserve(drop_id, [Attempt(rid, buyer, 1, ticket)])
        rids += [rid] if batch.outcomes[0].code is ReserveCode.HELD else []
    return rids


async def in_turn(stage: Deployment, drop_id: str) -> list[str]:
    """The buyers who have been served, in their order."""
    snapshot = await stage.engine.line.snapshot(drop_id)
    assert snapshot and snapshot.n0 is not None
    order = Order(snapshot.seed, snapshot.n0, snapshot.closing_id)
    names = await stage.redis.hgetall(stage.keyspace.of_line(drop_id).places)
    by_position = {
        order.position_of(int(text)): name for name, text in names.items() if "l" not in text
    }
    return [by_position[at] for at in range(snapshot.serving) if at in by_position]


async def everything(stage: Deployment, *, people: int = 300) -> str:
    """A line in which everything has happened that can happen before its end."""
    drop_id = await gather(stage)
    names = [f"b{number}" for number in range(people)]
    for start in range(0, people, 256):
        await stage.engine.line.join(drop_id, names[start : start + 256])
    await stage.engine.line.leave(drop_id, "b7")
    await stage.engine.line.leave(drop_id, "b8")
    await stage.engine.line.join(drop_id, ["b7", "b9"])
    await close(stage, drop_id)
    await stage.engine.line.join(drop_id, ["late", "later"])
    assert await serve(stage, drop_id, 0) == 20
    await buy(stage, drop_id, (await in_turn(stage, drop_id))[:5])
    return drop_id


async def hold(stage: Deployment, drop_id: str) -> list[str]:
    """A step of the keeper in a draw or waitlist; the reservations that it made."""
    draws = LineDraws(stage)
    line = await stage.engine.line.snapshot(drop_id)
    assert line
    if line.terms.mode is LineMode.DRAW:
        assert await draws.make(drop_id)
    people = [
        NextInLine(place_rid(drop_id, buyer_id, place), buyer_id, place)
        for buyer_id, place in await draws.next_in(drop_id, line.serving, 256, early=line.n0 or 0)
    ]
    return list((await stage.engine.line.hold(drop_id, line.serving, people)).rids)


async def read(stage: Deployment, drop_id: str) -> dict[str, list[Any]]:
    found = {}
    async with database.snapshot(stage.sql) as connection:
        for table in TABLES:
            rows = await connection.execute(select(table).where(table.c.drop_id == drop_id))
            found[table.name] = [row._asdict() for row in rows]
    return found
