"""Samples both stores while the demo runs, and writes the results into the scene."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

from sqlalchemy import case, func, select

from livesale.demo.scene import SLOT_S, Scene
from livesale.ledger.tables import log_offsets, orders
from livesale.printing.wording import counted
from livesale.resources import Deployment
from stock.books import Books
from stock.errors import StockError
from stock.log import LogReader
from stock.model import HoldState

SAMPLE_S = 0.02
SQL_SAMPLE_S = 0.25


class Watch:
    """The samplers of one drop; each runs until cancelled."""

    def __init__(self, deployment: Deployment, drop_id: str, scene: Scene) -> None:
        self._deployment = deployment
        self._drop_id = drop_id
        self._scene = scene
        self._happened: set[str] = set()

    def works(self) -> list[Coroutine[Any, Any, None]]:
        return [self._watch_books(), self._watch_sql(), self._watch_rates()]

    async def _watch_books(self) -> None:
        scene = self._scene
        while True:
            if scene.begun_ms is not None:
                scene.now_s = time.time() - scene.begun_ms / 1000
            try:
                seen = await self._deployment.engine.snapshot(self._drop_id)
            except StockError:
                seen = None  # skip this sample
            if seen is not None:
                before = scene.stand
                scene.see(self._drop_id, seen.books)
                self._tell_story(before, scene.stand)
            await asyncio.sleep(SAMPLE_S)

    def _tell_story(self, before: Books, now: Books) -> None:
        stock = now.allotted
        if now.held + now.sold:
            self._once("first", "the first units are held")
        if not now.available:
            self._once("gone", f"nothing is left: {counted(stock, 'unit')} held or sold")
        if now.sold * 2 >= stock:
            self._once("half", "half of the stock is paid")
        ended = now.available - before.available
        if before.allotted and ended > 0:
            self._once("back", "the first unpaid holds expire, their units are on sale again")
        if now.sold == stock:
            self._once("sold", f"{counted(stock, 'unit')} sold and paid: all there was")

    def _once(self, name: str, what: str) -> None:
        if name not in self._happened:
            self._happened.add(name)
            self._scene.tell(what)

    async def _watch_sql(self) -> None:
        held_or_not = func.count()
        sold = func.coalesce(
            func.sum(case((orders.c.state == HoldState.SOLD, orders.c.quantity))), 0
        )
        asked = select(held_or_not, sold).where(orders.c.drop_id == self._drop_id)
        partition = self._deployment.keyspace.partition_of(self._drop_id)
        place = select(log_offsets.c.entries).where(log_offsets.c.partition == partition)
        reader = LogReader(self._deployment.redis, self._deployment.keyspace.log(partition))
        while True:
            async with self._deployment.sql.connect() as connection:
                count, units = (await connection.execute(asked)).one()
                applied = (await connection.execute(place)).scalar_one()
            added = (await reader.info()).entries_added
            self._scene.see_sql(int(count), int(units), max(0, added - applied))
            await asyncio.sleep(SQL_SAMPLE_S)

    async def _watch_rates(self) -> None:
        scene, before = self._scene, 0
        while True:
            await asyncio.sleep(SLOT_S)
            scene.rate_now = (scene.requests - before) / SLOT_S
            scene.rate_peak = max(scene.rate_peak, scene.rate_now)
            scene.rates.append(scene.rate_now)
            before = scene.requests
