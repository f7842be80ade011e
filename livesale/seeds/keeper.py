"""Seeds an empty database, then plays the live show, while the keeper runs.

A process that was killed half way leaves a row `begun`, and the next one goes on: each step asks
what there is before it makes something. One process at a time does this: it holds the row for
HOLD_MS, and renews that while it works.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from functools import partial

import structlog
from prometheus_client import CollectorRegistry

from livesale.catalogue.store import ALL_DROPS
from livesale.resources import Deployment
from livesale.rooms.store import RoomFilter
from livesale.seeds import store
from livesale.seeds.after_sale import AfterSale
from livesale.seeds.player import TICK_S, Player
from livesale.seeds.sale import Sale
from livesale.seeds.shop import Draw, Shop
from livesale.seeds.show import Stage
from livesale.seeds.store import DONE
from livesale.seeds.tools import Tools
from livesale.tasks import Tasks, Works
from livesale.workshop.workshop import Workshop

HOLD_MS = 10_000
RENEW_S = 3.0
LOOK_S = 0.5
NEXT_SHOW_S = 60.0  # after an operator has ended the room

log = structlog.get_logger(__name__)


def make_seeds(deployment: Deployment, _registry: CollectorRegistry) -> "Seeds | None":
    """None outside dev, and where the settings do not ask for it."""
    settings = deployment.settings
    return Seeds(deployment) if settings.seeds.on and settings.env == "dev" else None


class Seeds:
    """Call `run`; it ends when `stop` is set. `draw` makes the pictures.

    Planting and playing are two tasks, because a room falls silent without its host. Both are
    cancelled at the end, wherever they are: each step may be repeated.
    """

    def __init__(
        self, deployment: Deployment, draw: Draw | None = None, tools: Tools | None = None
    ) -> None:
        self._deployment = deployment
        self._sql = deployment.sql
        self._draw = draw or _make_draw()
        self._tools = tools or Tools(deployment)
        self._holder = secrets.token_hex(8)
        self._is_there = False  # whether there is a seeded shop, or will be
        self._is_holder = False
        self._room_id = ""
        self._is_set_up = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        async with self._tools.media.running(), Tasks() as tasks:
            tasks.repeat("seeds: hold", self._keep_holding)
            tasks.keep("seeds: plant", self._keep_planting)
            tasks.keep("seeds: play", self._keep_playing)
            await stop.wait()
        if self._is_holder:
            await self._hold(0)

    async def _keep_planting(self, works: Works) -> None:
        """Set up the show, then do what is left."""
        if not await self.begin():
            return
        self._is_there = True
        while not self._is_holder:
            works()
            await asyncio.sleep(LOOK_S)
        self._room_id = await self.set_up()
        self._is_set_up.set()
        works()
        await self.plant()

    async def _keep_playing(self, works: Works) -> None:
        """Play one show after the other."""
        works()
        await self._is_set_up.wait()
        while True:
            if await self.play(self._room_id, works):
                await asyncio.sleep(NEXT_SHOW_S)
                self._room_id = await self.set_up()
            else:
                await asyncio.sleep(LOOK_S)

    async def begin(self) -> bool:
        """Whether there is something to do: a seeded shop, or an empty database. A database that
        has anything of somebody else is left alone."""
        if await store.find(self._sql) is not None:
            return True
        if not await is_empty(self._tools):
            log.info("the stores are not empty: no shop is seeded")
            return False
        await store.begin(self._sql, await self._deployment.engine.now_ms())
        return True

    async def set_up(self) -> str:
        """What a newcomer sees first: the room of the show, with its goods and its host. Returns
        the room."""
        shop, _, stage = await self._hands()
        async with self._tools.recorded("seed show"):
            await shop.add_categories()
            await shop.add_goods_on_air()
            await shop.add_host()
            await shop.name_people()
            return await stage.set_up()

    async def plant(self) -> None:
        """Do each step that is not done."""
        found = await store.find(self._sql)
        if found is None or found.state == DONE:
            return
        shop, sale, stage = await self._hands()
        after = AfterSale(self._tools, sale)
        steps: tuple[tuple[str, Callable[[], Awaitable[object]]], ...] = (
            ("goods", shop.add_all_goods),
            ("sale", sale.add_lots),
            ("people", shop.add_people),
            ("show", partial(stage.announce, found.begun_ms)),
            ("orders", after.add_homes),
            ("orders", after.add_orders),
        )
        for name, step in steps:
            async with self._tools.recorded(f"seed {name}"):
                await step()
        await store.finish(self._sql)
        log.info("the shop is seeded")

    async def play(self, room_id: str, works: Works) -> bool:
        """Play the show of a room while this process has the shop. True if the show is over."""
        _, sale, stage = await self._hands()
        player = Player(self._tools, stage, sale, room_id)
        try:
            while self._is_holder:
                if not await player.tick():
                    return True
                works()
                await asyncio.sleep(TICK_S)
        finally:
            await player.leave()
        return False

    async def _hands(self) -> tuple[Shop, Sale, Stage]:
        """What the steps work with. All times of the shop count from the beginning."""
        found = await store.find(self._sql)
        assert found is not None  # noqa: S101  `begin` was called
        shop = Shop(self._tools, self._draw)
        stage = Stage(self._tools, shop)
        return shop, Sale(self._tools, shop, found.begun_ms), stage

    async def _keep_holding(self) -> float:
        """Take the shop, or keep it; returns the seconds until the next time."""
        if not self._is_there:
            return LOOK_S
        had, self._is_holder = self._is_holder, await self._hold(HOLD_MS)
        if had and not self._is_holder:
            log.warning("another process has the seeded shop")
        return RENEW_S if self._is_holder else LOOK_S

    async def _hold(self, for_ms: int) -> bool:
        """Whether this process has the shop; there may be none."""
        now_ms = await self._deployment.engine.now_ms()
        return await store.hold(self._sql, self._holder, now_ms, now_ms + for_ms)


async def is_empty(tools: Tools) -> bool:
    """Whether nobody has made anything."""
    page, _ = await tools.products.page(limit=1)
    return not (
        page
        or await tools.skus.list(limit=1)
        or await tools.campaigns.list(times=(), words="", before="", limit=1)
        or await tools.drops.list(limit=1, wanted=ALL_DROPS)
        or await tools.rooms.find_all(RoomFilter(), "", 1)
    )


def _make_draw() -> Draw:
    """Draws in processes of their own: sales need this one."""
    workshop = Workshop(
        "livesale.seeds.pictures.draw",
        at_once=1,
        timeout_s=20.0,
        memory_mib=1_024,
        most_bytes=4 << 20,
    )

    async def draw(name: str) -> bytes:
        return await workshop.work(b"", [name])

    return draw
