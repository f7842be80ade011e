"""The row of the seeded shop: made once, held by one process at a time."""

from msgspec import Struct
from sqlalchemy import insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from livesale.database.session import session
from livesale.seeds.tables import seeds

NAME = "shop"
BEGUN, DONE = "begun", "done"


class Seeding(Struct, frozen=True):
    """`begun_ms` is the time that all times of the shop are counted from."""

    state: str
    holder: str
    until_ms: int
    begun_ms: int


async def find(sql: AsyncEngine) -> Seeding | None:
    async with session(sql) as connection:
        query = select(*[seeds.c[name] for name in Seeding.__struct_fields__])
        row = (await connection.execute(query.where(seeds.c.name == NAME))).first()
    return Seeding(*row) if row else None


async def begin(sql: AsyncEngine, at_ms: int) -> None:
    """Note that the seeding begins. A repeat changes nothing."""
    try:
        async with session(sql, write=True) as connection:
            row = Seeding(BEGUN, "", 0, at_ms)
            values = {name: getattr(row, name) for name in Seeding.__struct_fields__}
            await connection.execute(insert(seeds).values(name=NAME, **values))
    except IntegrityError:  # another process was faster
        return


async def hold(sql: AsyncEngine, holder: str, at_ms: int, until_ms: int) -> bool:
    """Take or keep the row until a time; False while another process has it."""
    free = or_(seeds.c.holder == holder, seeds.c.until_ms <= at_ms)
    async with session(sql, write=True) as connection:
        done = await connection.execute(
            update(seeds).where(seeds.c.name == NAME, free).values(holder=holder, until_ms=until_ms)
        )
    return bool(done.rowcount)


async def finish(sql: AsyncEngine) -> None:
    async with session(sql, write=True) as connection:
        await connection.execute(update(seeds).where(seeds.c.name == NAME).values(state=DONE))
