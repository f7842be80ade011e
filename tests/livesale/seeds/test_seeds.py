"""The seeded shop: whole after any kill, made once, and only where nothing is."""

import asyncio
import io
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from PIL import Image
from prometheus_client import CollectorRegistry
from sqlalchemy import func, select, update

from livesale.catalogue.pictures.tables import pictures
from livesale.catalogue.products.tables import categories, products
from livesale.catalogue.service import NewCampaign
from livesale.catalogue.tables import campaigns, skus
from livesale.database.session import session
from livesale.ledger.line_tables import lines as drop_lines
from livesale.ledger.tables import drops, orders, refunds
from livesale.ledger.writer import Writer
from livesale.orders.cases.tables import after_sale_cases
from livesale.orders.shipments.tables import parcels
from livesale.payments.keeper import Keeper
from livesale.payments.simulated import SimulatedGateway
from livesale.resources import Deployment
from livesale.rooms.people.scripts import NOBODY
from livesale.rooms.tables import room_items, rooms
from livesale.seeds import store
from livesale.seeds.after_sale import PLANS
from livesale.seeds.goods import GOODS
from livesale.seeds.keeper import Seeds, make_seeds
from livesale.seeds.player import Player
from livesale.seeds.sale import LOTS, Sale
from livesale.seeds.script import plan_round
from livesale.seeds.shop import Shop
from livesale.seeds.show import WARES, Stage
from livesale.seeds.tables import seeds
from livesale.seeds.tools import Tools
from livesale.settings.model import SeedSettings
from tests.livesale.stage import running, until_written
from tests.waiting import until

TABLES = (categories, products, skus, campaigns, drops, rooms, room_items, orders, parcels)


class Killed(BaseException):
    """The process ends here."""


async def draw(_name: str) -> bytes:
    """One small picture for all: drawing is not what is tested."""
    target = io.BytesIO()
    Image.new("RGB", (8, 8), "#c8653f").save(target, "PNG")
    return target.getvalue()


async def count(stage: Deployment) -> dict[str, int]:
    async with session(stage.sql) as connection:
        return {
            table.name: await connection.scalar(select(func.count()).select_from(table)) or 0
            for table in (*TABLES, after_sale_cases, pictures)
        }


async def by_state(stage: Deployment, column: Any) -> Counter[str]:
    async with session(stage.sql) as connection:
        return Counter(str(row[0]) for row in await connection.execute(select(column)))


def kill_after(tools: Tools, part: str, verb: str, times: int) -> None:
    """Let the process die when a use case has had its effect, and nobody heard of it."""
    owner, left = getattr(tools, part), [times]
    whole: Callable[..., Any] = getattr(owner, verb)

    async def deadly(*args: Any, **named: Any) -> Any:
        done = await whole(*args, **named)
        left[0] -= 1
        if not left[0]:
            raise Killed
        return done

    setattr(owner, verb, deadly)


async def seed(tools: Tools) -> str:
    """All of it, but the playing; the room."""
    seeding = Seeds(tools.deployment, draw, tools)
    assert await seeding.begin()
    room_id = await seeding.set_up()
    await seeding.plant()
    return room_id


KILLS = (
    ("products", "create", 3),
    ("rooms", "create", 1),
    ("drops", "create", 2),
    ("shelves", "add", 2),
    ("drops", "open", 5),
    ("intake", "take", 4),
    ("shipments", "add", 2),
    ("cases", "ask", 2),
    ("cases", "take_in", 1),
)


async def test_a_shop_that_was_killed_again_and_again_is_whole_and_made_once(
    stage: Deployment,
) -> None:
    gateway = SimulatedGateway(stage.redis)
    keeper = Keeper(stage, CollectorRegistry(), gateway)
    async with running(Writer(stage)), running(keeper):
        # Given processes that die, each a bit later than the one before
        for part, verb, times in KILLS:
            tools = Tools(stage)
            kill_after(tools, part, verb, times)
            with pytest.raises(Killed):
                await seed(tools)
        # When one comes to the end
        room_id = await seed(Tools(stage))
        await until_written(stage)
        # Then all is there, once
        whole = await count(stage)
        assert whole["products"] == len(GOODS)
        assert whole["skus"] == sum(len(goods.kinds) for goods in GOODS) + 1
        assert whole["drops"] == len(LOTS) + len(WARES)
        assert (whole["rooms"], whole["campaigns"]) == (2, 2)
        assert whole["room_items"] == sum(ware.is_shown for ware in WARES) + 1
        sold = sum(lot.allotted for lot in LOTS if lot.ends == "sold_out")
        part_sold = sum(lot.allotted // 4 for lot in LOTS if lot.ends == "closed")
        assert whole["orders"] == len(PLANS) + sold + part_sold
        assert whole["parcels"] == sum(
            plan.until in ("packing", "shipped", "received") for plan in PLANS
        )
        assert whole["after_sale_cases"] == sum(plan.ask is not None for plan in PLANS)
        # And lines, with people in them
        async with session(stage.sql) as connection:
            crowds = (await connection.execute(select(drop_lines.c.drop_id))).scalars().all()
        lines = [await stage.engine.line.snapshot(drop_id) for drop_id in crowds]
        assert sorted(line.n for line in lines if line) == sorted(
            lot.waiting for lot in LOTS if lot.line
        )
        # And each state of what follows a sale can be seen, a failed refund included
        states = await by_state(stage, after_sale_cases.c.state)
        assert {"asked", "agreed", "refused", "withdrawn", "returned"} <= states.keys()
        assert {"", "packing", "shipped", "received"} <= (
            await by_state(stage, orders.c.stage)
        ).keys()
        assert {"held", "sold", "released"} <= (await by_state(stage, orders.c.state)).keys()

        async def failed() -> bool:
            return (await by_state(stage, refunds.c.state))["failed"] == 1

        await until(failed)
        # And seeding once more, as if it were not done, makes nothing more
        async with session(stage.sql, write=True) as connection:
            await connection.execute(update(seeds).values(state=store.BEGUN))
        assert await seed(Tools(stage)) == room_id
        await until_written(stage)
        assert await count(stage) == whole


async def test_the_room_plays_on_after_a_crash_and_ends_cleanly(stage: Deployment) -> None:
    tools = Tools(stage)
    shop = Shop(tools, draw)
    await shop.add_categories()
    await shop.add_goods_on_air()
    await shop.add_host()
    await store.begin(stage.sql, await stage.engine.now_ms())
    room_id = await Stage(tools, shop).set_up()
    async with running(Writer(stage)):
        # Given a player that dies behind each beat of a round, so that another one plays it again
        for _ in range(2):
            begun_ms = await stage.engine.now_ms()
            player = Player(tools, Stage(tools, shop), Sale(tools, shop, begun_ms), room_id)
            room = await tools.rooms.find(room_id)
            for beat in plan_round(0):
                await player.act(room, 0, beat)
        await until_written(stage)
        # Then whatever has a key was done once
        beats = plan_round(0)
        claims = {(b.what, b.who) for b in beats if b.act in ("claim", "buy")}
        held = await by_state(stage, orders.c.state)
        assert held.total() <= len(claims)
        assert held["sold"] > 0 and held["held"] > 0
        async with session(stage.sql) as connection:
            found = await connection.scalar(select(func.count()).where(drops.c.room_id == room_id))
        assert found is not None and found <= len(WARES) + 2
    # When the keeper plays it
    await store.finish(stage.sql)
    stop = asyncio.Event()
    seeding = asyncio.create_task(Seeds(stage, draw).run(stop))

    async def somebody_watches() -> bool:
        seen = await tools.copy.people.report(room_id, NOBODY, tick_ms=1_000)
        return seen is not None and seen.people.online > 0

    await until(somebody_watches)
    # Then it ends when it is told to, and nobody holds the shop any more
    stop.set()
    await asyncio.wait_for(seeding, 10)
    found_row = await store.find(stage.sql)
    assert found_row is not None and found_row.until_ms <= await stage.engine.now_ms()


async def test_what_somebody_else_has_made_is_left_alone(stage: Deployment) -> None:
    tools = Tools(stage)
    now_ms = await stage.engine.now_ms()
    await tools.campaigns.create(NewCampaign("Mine", now_ms, now_ms + 1_000))
    before = await count(stage)
    assert not await Seeds(stage, draw).begin()
    assert await store.find(stage.sql) is None
    assert await count(stage) == before


@pytest.mark.parametrize(("env", "on", "seeds_it"), [
    ("dev", True, True), ("dev", False, False), ("prod", True, False), ("prod", False, False),
])  # fmt: skip
async def test_only_dev_is_seeded_and_only_if_asked(
    stage: Deployment, env: str, on: bool, seeds_it: bool
) -> None:
    changes = {"env": env, "seeds": SeedSettings(on=on)}
    deployment = replace(stage, settings=stage.settings.model_copy(update=changes))
    assert (make_seeds(deployment, CollectorRegistry()) is not None) is seeds_it
