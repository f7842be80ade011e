"""Two who change one row wait for each other; neither meets the other half-way."""

import asyncio
from collections.abc import Awaitable, Callable

from sqlalchemy import Table, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from livesale.catalogue.store import lock_drop, move_drop
from livesale.database.session import session
from livesale.ledger.tables import drops
from livesale.resources import Deployment
from livesale.rooms.bags.store import BagState, lock_open_bag, move_bag
from livesale.rooms.bags.tables import bags
from livesale.rooms.store import lock_room, move_room
from livesale.rooms.tables import rooms
from tests.livesale.database.samples import fill_empty_tables
from tests.livesale.stage import on_mariadb
from tests.waiting import until

Lock = Callable[[AsyncConnection, str], Awaitable[object]]
Move = Callable[[AsyncConnection, str], Awaitable[bool]]

WAITS = text("SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'")
CASES: list[tuple[Table, str, Lock, Move]] = [
    (drops, "draft", lock_drop, lambda at, key: move_drop(at, key, "draft", "opening")),
    (rooms, "live", lock_room, lambda at, key: move_room(at, key, ["live"], "ended", 1)),
    (bags, "open", lock_open_bag, lambda at, key: move_bag(at, key, BagState.OPEN, BagState.DRAWN)),
]


@on_mariadb
async def test_who_has_locked_a_row_moves_it_while_another_waits_to(stage: Deployment) -> None:
    async with session(stage.sql, write=True) as connection:
        await connection.run_sync(fill_empty_tables)
    for table, state, lock, move in CASES:
        [key] = table.primary_key.columns
        async with session(stage.sql, write=True) as connection:
            name = await connection.scalar(table.select().with_only_columns(key).limit(1))
            await connection.execute(update(table).where(key == name).values(state=state))

        async def also(name: str = name, move: Move = move) -> bool:
            async with session(stage.sql, write=True) as other:
                return await move(other, name)

        async def waits() -> bool:
            async with session(stage.sql) as looking:
                _, number = (await looking.execute(WAITS)).one()
                return number != "0"

        # given a row that is locked, and another who moves its state, too
        async with session(stage.sql, write=True) as connection:
            await lock(connection, name)
            second = asyncio.create_task(also())
            await until(waits)
            # when the first one moves it, then it is moved once
            assert await move(connection, name), table.name
        assert not await second, table.name
