"""The operator: opens drops, adjusts, pauses and closes them while buyers buy and things break."""

import asyncio
import random
import time
from collections import deque

import msgspec

from tests.faults.history import Adjust, History, Terms
from tests.faults.shop import Shop, now_ms

LIVE = 4  # drops on sale at once
EVERY_S = 0.15
PATIENCE_S = 20.0
FINAL = {"ok", "too_few", "too_many", "drop_closed", "not_opened", "terms_conflict"}
FINAL |= {"line_needs_time", "already_open"}
PRICE_FEN = 9_900


class Operators:
    """`live` are the drops that are on sale, `past` those that lately were."""

    def __init__(self, shop: Shop, history: History, seed: int) -> None:
        self.live: dict[str, float] = {}  # and until when, by the monotonic clock
        self.past: deque[str] = deque(maxlen=3)
        self.paused: set[str] = set()
        self.trouble: list[str] = []
        self._shop = shop
        self._history = history
        self._chance = random.Random(seed)
        self._adjusts = 0
        self._stage: tuple[str, str] | None = None

    async def work(self) -> None:
        """Until cancelled. Four hands: a request that hangs keeps nobody else from working."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._open_drops())
            tasks.create_task(self._open_drops())
            tasks.create_task(self._meddle())
            tasks.create_task(self._meddle())

    async def finish(self) -> None:
        """Resume what is paused."""
        for drop_id in list(self.paused):
            await self._insist(f"drops/{drop_id}/resume")
            self.paused.discard(drop_id)

    async def open_one(
        self, allotted: int, opens_in_ms: int = 0, line: dict[str, object] | None = None
    ) -> str | None:
        """Make and open a drop; its id, or None while it cannot be done. With the terms of a line
        it is not `live`: only who waits in that line buys from it."""
        chance = self._chance
        if self._stage is None:
            self._stage = await self._set_stage()
            if self._stage is None:
                return None
        campaign_id, sku_id = self._stage
        opens_ms = int(now_ms()) + opens_in_ms
        wanted = {
            "campaign_id": campaign_id,
            "sku_id": sku_id,
            "price_fen": PRICE_FEN,
            "allotted": allotted,
            "buyer_limit": chance.randint(3, 6),
            "hold_ms": chance.randint(1_500, 4_000),
            "opens_ms": opens_ms,
            "closes_ms": opens_ms + chance.choice([20_000, 3_600_000]),
            "expired_limit": chance.choice([0, 0, 3]),
        }
        if line is not None:
            wanted |= {"ticket_required": True, "buyer_limit": 1, "expired_limit": 0}
            wanted |= {"closes_ms": opens_ms + 20_000}
        made = await self._shop.admin("POST", "drops", wanted)
        if made.code != "ok":
            return None
        drop_id = str(made.body["drop_id"])
        terms = {name: wanted[name] for name in Terms.__struct_fields__ if name != "drop_id"}
        self._history.drops[drop_id] = msgspec.convert({"drop_id": drop_id, **terms}, Terms)
        if line is not None and await self._insist(f"drops/{drop_id}/line", line) != "ok":
            return None
        if await self._insist(f"drops/{drop_id}/open") != "ok":
            return None
        if line is not None:
            return drop_id
        self.live[drop_id] = time.monotonic() + chance.uniform(4, 12)
        return drop_id

    async def _set_stage(self) -> tuple[str, str] | None:
        opens_ms = int(now_ms()) - 1_000
        times = {"opens_ms": opens_ms, "closes_ms": opens_ms + 86_400_000}
        sku = await self._shop.admin("POST", "skus", {"title": "Shoes", "price_fen": PRICE_FEN})
        campaign = await self._shop.admin("POST", "campaigns", {"title": "11.11", **times})
        if sku.code != "ok" or campaign.code != "ok":
            return None
        return str(campaign.body["campaign_id"]), str(sku.body["sku_id"])

    async def _open_drops(self) -> None:
        while True:
            chance = self._chance
            if len(self.live) < LIVE:
                await self.open_one(chance.randint(300, 1_500), chance.choice([0, 0, 400, 900]))
            await asyncio.sleep(EVERY_S)

    async def _meddle(self) -> None:
        while True:
            await asyncio.sleep(self._chance.uniform(EVERY_S, 4 * EVERY_S))
            for drop_id, until in list(self.live.items()):
                # While no new drop can be made, the old ones go on: sales must not wait for SQL.
                if time.monotonic() > until and len(self.live) >= LIVE:
                    await self._retire(drop_id)
            if self.live:
                drop_id = self._chance.choice(list(self.live))
                await self._chance.choice([self._adjust, self._adjust, self._pause])(drop_id)

    async def _retire(self, drop_id: str) -> None:
        self.live.pop(drop_id, None)
        self.past.append(drop_id)
        if self._chance.random() < 0.5:
            await self._insist(f"drops/{drop_id}/close")

    async def _adjust(self, drop_id: str) -> None:
        self._adjusts += 1
        delta = self._chance.choice([-40, -5, 10, 60, 200])
        one = Adjust(drop_id, delta, f"adjust {self._adjusts}", now_ms())
        self._history.adjusts.append(one)
        body = {"delta": delta, "reason": one.reason}
        code = await self._insist(f"drops/{drop_id}/adjust", body, f"a{self._adjusts}")
        one.done = None if code not in FINAL else code == "ok"

    async def _pause(self, drop_id: str) -> None:
        if drop_id in self.paused:
            return
        self.paused.add(drop_id)
        await self._insist(f"drops/{drop_id}/pause")
        await asyncio.sleep(self._chance.uniform(0.1, 0.4))
        if await self._insist(f"drops/{drop_id}/resume") in FINAL:
            self.paused.discard(drop_id)

    async def _insist(self, path: str, body: dict[str, object] | None = None, key: str = "") -> str:
        """Ask until there is an answer that stands, or for PATIENCE_S; the last code."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            told = await self._shop.admin("POST", path, body, key)
            if told.code in FINAL or time.monotonic() > deadline:
                return told.code
            if told.status and told.status < 500:
                self.trouble.append(f"{path} was answered {told.status} {told.code}")
                return told.code
            await asyncio.sleep(0.2)
