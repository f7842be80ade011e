"""The show, from an empty folder to the audit: the script that host and viewers follow."""

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
from msgspec import Struct
from sqlalchemy import select

from livesale.demo.bank import Bank
from livesale.demo.beside import beside
from livesale.demo.live.host import HOLD_MS, HOST, Host
from livesale.demo.live.scene import LiveScene
from livesale.demo.live.screen import Screen
from livesale.demo.live.verdict import Draw, LiveFigures, Storm, judge
from livesale.demo.live.viewer import LiveViewer, Stage
from livesale.demo.options import LiveOptions
from livesale.demo.stage import set_stage
from livesale.errors import LivesaleError
from livesale.ledger.catch_up import wait_until_caught_up
from livesale.ledger.tables import orders
from livesale.operations.audit import Check, audit
from livesale.printing.wording import counted
from livesale.resources import Deployment
from livesale.settings import Settings
from livesale.tokens.signing import TokenSigner
from loadtests.checks import Finding, OrderRow
from stock.books import Books

TITLE = "Sneakers tonight"
OPERATOR = "demo"
ARRIVE_S = 3.0  # over which viewers come
EXPLAIN_S = 2.0  # an item
COUNTDOWN_S = 3.0
SELL_S = 6.0
LUCK_S = 6.0
MORE = 10  # units that the host finds
PATIENCE_S = 30.0  # for what comes by itself
CATCH_UP_S = 15.0
POLL_S = 0.02
BEAT_S = 5.0


class NobodyCame(LivesaleError):
    """The viewers did not get into the room."""


class LiveResult(Struct, frozen=True):
    ok: bool
    figures: LiveFigures
    checks: list[Finding]
    audit: list[Check]


async def play(settings: Settings, options: LiveOptions, scene: LiveScene) -> LiveResult:
    """Run the show and judge it. Keeps `scene` up to date for whoever draws it.

    Raises Refused, StartFailed, ShopClosed or NobodyCame when it cannot be played.
    """
    began_s = time.monotonic()
    scene.phase = f"starting {counted(options.workers, 'API worker')}, writer and keeper"
    async with set_stage(settings) as (deployment, url):
        scene.url = url
        signer = TokenSigner.from_settings(deployment.settings)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(url, connector=connector) as http:
            host = Host(http, signer.operator(OPERATOR), signer.buyer(HOST))
            scene.phase = "preparing the room"
            await host.prepare(options, TITLE)
            show = Show(deployment, options, scene, host, http)
            result = await show.play(began_s)
        scene.phase = "stopping the processes"
    scene.phase = "all processes have stopped"
    return result


class Show:
    def __init__(
        self,
        deployment: Deployment,
        options: LiveOptions,
        scene: LiveScene,
        host: Host,
        http: aiohttp.ClientSession,
    ) -> None:
        self._deployment = deployment
        self._options = options
        self._scene = scene
        self._host = host
        self._bank = Bank(deployment.engine, scene.bank)
        screen = Screen(scene, host.drop_id, dict(host.items))
        stage = Stage(
            http,
            host.room_id,
            host.drop_id,
            lambda answer: scene.answers.update((answer,)),
            scene.acks.append,
            lambda bill: self._bank.take([bill]),
            screen.hear,
            scene.oddities.append,
        )
        chance, run = random.Random(options.seed), secrets.token_hex(3)
        signer = TokenSigner.from_settings(deployment.settings)
        self._viewers = [
            LiveViewer(stage, name, signer.buyer(name), random.Random(chance.random()))
            for name in (f"viewer{run}-{number}" for number in range(options.viewers))
        ]
        self._chance = chance

    async def play(self, began_s: float) -> LiveResult:
        scene, host = self._scene, self._host
        scene.title = TITLE
        async with self._watched(), beside(*self._bank.works(), self._tick(), self._beat()):
            await self._open_the_room()
            await self._sell()
            bag_id = await self._try_luck()
            storm = await self._storm()
            scene.phase = "the last holds end, the show is over"
            for viewer in self._viewers:
                viewer.wants = False  # or the last hold is never the last
            await self._until(lambda: not any(viewer.busy for viewer in self._viewers))
            await self._until(self._nothing_is_held)
            await self._bank.settle()
            await self._until(self._screens_are_right)
            record = await host.record_of(bag_id)
            await host.do("end")
        scene.over, scene.phase = True, "auditing"
        await wait_until_caught_up(self._deployment, CATCH_UP_S)
        scene.watched = [viewer.numbers.seen for viewer in self._viewers]
        sold, prizes = await self._orders_of(host.drop_id), await self._orders_of(host.prize_id)
        drawn = Draw(
            record,
            {viewer.commitment for viewer in self._viewers if viewer.commitment},
            {viewer.entry_id for viewer in self._viewers if viewer.entry_id},
            sum(viewer.claimed for viewer in self._viewers),
        )
        stock = self._options.stock + MORE
        findings = judge(scene, sold, prizes, self._bank.paid, stock, storm, drawn)
        found = await audit(self._deployment, settle_s=CATCH_UP_S)
        ok = all(finding.ok for finding in findings) and all(check.ok for check in found)
        took_s = time.monotonic() - began_s
        return LiveResult(ok, self._figures(sold, storm, drawn, took_s), findings, found)

    async def _open_the_room(self) -> None:
        self._scene.phase = "viewers come"
        await self._host.do("start")
        await self._until(lambda: all(viewer.up.is_set() for viewer in self._viewers))
        if not all(viewer.up.is_set() for viewer in self._viewers):
            raise NobodyCame("the viewers did not get into the room")
        self._scene.note(f"{counted(len(self._viewers), 'viewer')} watch")
        for number in (1, 0):
            await self._host.pin(number)
            await asyncio.sleep(EXPLAIN_S)

    async def _sell(self) -> None:
        self._scene.phase = "the drop"
        await self._host.open_drop(COUNTDOWN_S)
        await asyncio.sleep(COUNTDOWN_S + SELL_S)

    async def _try_luck(self) -> str:
        self._scene.phase = "the lucky bag"
        bag_id = await self._host.open_bag(LUCK_S)
        await asyncio.sleep(LUCK_S)
        await self._until(lambda: any(viewer.claimed for viewer in self._viewers))
        await asyncio.sleep(EXPLAIN_S / 2)
        return bag_id

    async def _storm(self) -> Storm:
        """Everybody loses the connection while the host puts more on sale."""
        scene, count = self._scene, len(self._viewers)
        scene.phase = "a reconnect storm"
        scene.note(f"all {counted(count, 'viewer')} lose the connection at once")
        began_s = time.monotonic()
        before = [viewer.numbers.seen.connections for viewer in self._viewers]
        for viewer in self._viewers:
            viewer.lose()
        await self._host.restock(MORE)

        def back() -> int:
            return sum(
                viewer.up.is_set() and viewer.numbers.seen.connections > connections
                for viewer, connections in zip(self._viewers, before, strict=True)
            )

        await self._until(lambda: back() == count)
        storm = Storm(count, back(), 1000 * (time.monotonic() - began_s))
        scene.storm = f"{storm.back:,} of {count:,} back in {storm.took_ms / 1000:.1f} s"
        scene.note(f"{storm.back:,} are back in {storm.took_ms / 1000:.1f} s, with their place")
        return storm

    @asynccontextmanager
    async def _watched(self) -> AsyncIterator[None]:
        """Viewers come one after the other, and stay until the room is over."""

        async def come(viewer: LiveViewer) -> None:
            await asyncio.sleep(self._chance.uniform(0, ARRIVE_S))
            await viewer.live()

        watching = [asyncio.create_task(come(viewer)) for viewer in self._viewers]
        try:
            yield
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_S):
                    await asyncio.gather(*watching)
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)

    async def _tick(self) -> None:
        scene, began_s = self._scene, time.monotonic()
        opened_s: float | None = None
        while True:
            scene.now_s = time.monotonic() - began_s
            scene.connected = sum(viewer.up.is_set() for viewer in self._viewers)
            if scene.drop_phase == "opening":
                opened_s = opened_s or scene.now_s + scene.opens_in_s
                scene.opens_in_s = max(0.0, opened_s - scene.now_s)
            await asyncio.sleep(POLL_S)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            await self._host.do("heartbeat")

    async def _nothing_is_held(self) -> bool:
        return not (await self._books()).held

    async def _screens_are_right(self) -> bool:
        return self._scene.remaining == (await self._books()).available

    async def _books(self) -> Books:
        seen = await self._deployment.engine.snapshot(self._host.drop_id)
        assert seen is not None  # noqa: S101  it was opened in this show
        return seen.books

    async def _until(self, seen: Callable[[], object]) -> None:
        """Poll, for a bounded time: what never comes is a finding."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S + HOLD_MS / 1000):
                while True:
                    found = seen()
                    if await found if asyncio.iscoroutine(found) else found:
                        return
                    await asyncio.sleep(POLL_S)

    async def _orders_of(self, drop_id: str) -> list[OrderRow]:
        columns = orders.c["order_id", "buyer_id", "quantity", "amount_fen", "state"]
        async with self._deployment.sql.connect() as connection:
            found = await connection.execute(select(columns).where(orders.c.drop_id == drop_id))
            return [OrderRow(*row) for row in found]

    def _figures(
        self, sold: list[OrderRow], storm: Storm, drawn: Draw, took_s: float
    ) -> LiveFigures:
        scene = self._scene
        late = sorted(scene.late_ms) or [0.0]
        return LiveFigures(
            viewers=len(self._viewers),
            peak=scene.peak,
            events_told=scene.events_told,
            told_p50_ms=round(late[len(late) // 2], 1),
            told_p99_ms=round(late[int(len(late) * 0.99)], 1),
            likes=scene.likes,
            stock=self._options.stock + MORE,
            sold=sum(row.quantity for row in sold if row.state == "sold"),
            orders=len(sold),
            answers=dict(scene.answers.most_common()),
            prizes_claimed=drawn.claimed,
            storm_ms=round(storm.took_ms, 1),
            took_s=round(took_s, 1),
        )
