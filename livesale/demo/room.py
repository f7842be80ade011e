"""The show in a live room: what host and viewers do."""

import asyncio
import random
import secrets
import time
from collections.abc import Coroutine
from typing import Any

import msgspec
from msgspec import Struct

from livesale.demo.host import HOST, Host
from livesale.demo.play import CATCH_UP_S, HOLD_S, Customer, DemoFailed, House, Scenario
from livesale.demo.screen import Screen
from livesale.demo.verdict import Draw, Figures, LiveFigures, Storm, draw_finding, room_findings
from livesale.printing.wording import counted
from livesale.rooms.states import BagPhase
from loadtests.checks import Finding
from loadtests.history import Note, Restock
from loadtests.line import Answer
from loadtests.people.buyer import Character
from loadtests.people.viewer import Viewer, Watching
from loadtests.seat import Gone, Message
from loadtests.service import Interview
from loadtests.wire import LoopWire

TITLE = "Sneakers tonight"
ARRIVE_S = 3.0  # viewers arrive within this time
EXPLAIN_S = 2.0  # for each item
COUNTDOWN_S = 3.0
SELL_S = 6.0
LUCK_S = 6.0
MORE = 10  # units of the restock
BEAT_S = 5.0
TICK_S = 0.1
AGAIN_S = 0.3
TRIES = 20
COMES_BACK = 0.3  # share of viewers who buy when units return
UNCLEAR = {"phrase_missing", "overloaded", "outcome_unknown", "slow_down", "lost", "refused"}

WATCHING = Watching(
    lift_s=0.0, likes_every_s=(2.0, 8.0), says_every_s=(8.0, 40.0), first_wait_s=AGAIN_S
)
CHARACTER = Character(jitter_s=4.0, patience=0, pays=0.85, gives_back=0.0, pays_after_s=(0.2, 1.5))


class Lucky(Struct):
    """The fields of a lucky bag that a viewer needs."""

    bag_id: str
    state: BagPhase
    commitment: str
    phrase: str | None = None
    winners: list[str] = []


class _News(Struct):
    bag: Lucky


_lucky = msgspec.json.Decoder(_News).decode


class Fan:
    """A viewer of the show, who also buys and enters lucky bags."""

    def __init__(self, show: "Show", name: str) -> None:
        house = show.house
        self.name = name
        self.entry_id = ""
        self.commitment = ""
        self.claimed = 0
        self.left = False
        self.busy = 0  # running purchases, payments and entries
        self._show = show
        self._chance = chance = random.Random(house.chance.random())
        self._token = token = house.signer.buyer(name)
        people = (house.time, chance)
        self._customer = Customer(
            house.line, house.scene.history, *people, CHARACTER, name=name, token=token
        )
        self._customer.bank = house.bank
        self.viewer = Viewer(
            lambda seat: LoopWire.dial(house.target, seat, token),
            show,
            *people,
            WATCHING,
            show.host.room_id,
            self._hear,
        )
        self._opened = False

    async def live(self) -> None:
        """Watch until the room ends."""
        await asyncio.sleep(self._chance.uniform(0, ARRIVE_S))
        async with asyncio.TaskGroup() as self._thumbs:
            await self.viewer.live()
        self.left = True

    def _hear(self, message: Message) -> None:
        heard, text = message
        self._show.screen.hear(heard, text)
        if heard.drop_id == self._show.drop_id:
            if heard.type == "drop.open":
                if self._opened:
                    self.viewer.seen.wrong.append(f"{self.name}: the drop was opened twice")
                self._opened = True
                self._do(self._buy())
            elif self._show.sells and heard.type == "drop.returned" and self._comes_back():
                self._do(self._buy())
        elif heard.type in ("bag.opened", "bag.drawn"):
            self._do(self._try_luck(_lucky(text).bag))

    def _comes_back(self) -> bool:
        return self._chance.random() < COMES_BACK

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this while watching."""
        self.busy += 1
        self._thumbs.create_task(work).add_done_callback(self._done)

    def _done(self, _: asyncio.Task[None]) -> None:
        self.busy -= 1

    async def _buy(self) -> None:
        await asyncio.sleep(self._chance.expovariate(1 / CHARACTER.jitter_s))
        drop = self._show.scene.history.drops[self._show.drop_id]
        claim = await self._customer.claim(drop, self._chance.choice((1, 1, 2)))
        if claim.answers:
            await self._customer.decide(claim.answers[0])

    async def _try_luck(self, bag: Lucky) -> None:
        path = f"{self._show.path}/bags/{bag.bag_id}"
        if bag.state is BagPhase.OPEN:
            self.commitment = bag.commitment
            await asyncio.sleep(self._chance.uniform(0.2, 1.5))
            try:
                await self.viewer.say({"type": "comment", "text": bag.phrase})
            except Gone:
                return
            for _ in range(TRIES):
                await asyncio.sleep(AGAIN_S)
                answer = await self._ask(f"{path}/entries")
                if answer.good:
                    self.entry_id = str(answer.body["entry_id"])
                if answer.code not in UNCLEAR:
                    return
        elif self.entry_id in bag.winners:
            await asyncio.sleep(self._chance.uniform(0.1, 0.8))
            self.claimed += (await self._ask(f"{path}/claim")).good

    async def _ask(self, path: str) -> Answer:
        return await self._show.house.office.ask("", "POST", path, token=self._token)


class Show(Scenario):
    """See livesale.demo.play.Scenario. It is also the journal of its viewers."""

    def __init__(self, house: House) -> None:
        super().__init__(house)
        assert house.scene.room is not None  # noqa: S101  it is a show
        self.room = house.scene.room
        self.host = Host(house.office, house.operator_token, house.signer.buyer(HOST))
        self.screen: Screen
        self.sells = True
        self._fans: list[Fan] = []
        self._bag_id = ""
        self._record = b""
        self._storm = Storm(0, 0, 0.0)
        self._claimed = 0
        self._on_air = asyncio.Lock()  # no heartbeat is under way while the room ends
        self._over = False

    def note(self, note: Note) -> None:
        self.scene.history.note(note)

    def count(self, line: str) -> None:
        """Ignore answers to frames: while the room ends, refusals are allowed."""

    @property
    def path(self) -> str:
        return f"/v1/rooms/{self.host.room_id}"

    async def prepare(self) -> None:
        house, scene = self.house, self.scene
        scene.phase = "preparing the room"
        await self.host.prepare(TITLE, house.options.stock, HOLD_S)
        self.drop_id = self.host.drop_id
        scene.page = f"{scene.url}/shop#/pages/room/index?id={self.host.room_id}"
        self.room.title = TITLE
        self.screen = Screen(scene, self.room, self.drop_id, self.host.items)
        run = secrets.token_hex(3)
        self._fans = [Fan(self, f"viewer{run}-{n}") for n in range(house.options.people)]
        scene.begun_ms = house.time.now_ms()

    def works(self) -> list[Coroutine[Any, Any, None]]:
        return [self._beat(), self._tick(), *(fan.live() for fan in self._fans)]

    async def perform(self) -> None:
        await self._open_the_room()
        await self._sell()
        await self._try_luck()
        self._storm = await self._lose_everybody()
        self.scene.phase = "the last holds end, the show is over"
        self.sells = False  # otherwise returned units would make new holds
        await self.house.until(lambda: not any(fan.busy for fan in self._fans))

    async def leave(self) -> None:
        await self.house.until(lambda: self.room.remaining == self.scene.stand.available)
        self._record = await self.host.record_of(self._bag_id)
        async with self._on_air:
            await self.host.do("end")
            self._over = True
        await self.house.until(lambda: all(fan.left for fan in self._fans))

    async def findings(self) -> list[Finding]:
        interview = Interview(self.house.office, self.house.operator_token, self.house.time)
        said = await interview.ask([self.host.prize_id], CATCH_UP_S)
        prizes = list(said.stands[self.host.prize_id].orders.values())
        self._claimed = sum(fan.claimed for fan in self._fans)
        drawn = Draw(
            self._record,
            {fan.commitment for fan in self._fans if fan.commitment},
            {fan.entry_id for fan in self._fans if fan.entry_id},
            self._claimed,
        )
        return [*room_findings(self.scene, self.room, self._storm), draw_finding(drawn, prizes)]

    def figures(self, figures: Figures) -> Figures:
        room = self.room
        return LiveFigures(
            **{name: getattr(figures, name) for name in Figures.__struct_fields__},
            viewers=len(self._fans),
            peak=room.peak,
            events_told=room.events_told,
            told_p50_ms=round(room.percentile_ms(50), 1),
            told_p99_ms=round(room.percentile_ms(99), 1),
            likes=room.likes,
            prizes_claimed=self._claimed,
            storm_ms=round(self._storm.took_ms, 1),
        )

    async def _open_the_room(self) -> None:
        self.scene.phase = "viewers arrive"
        await self.host.do("start")
        await self.house.until(lambda: all(fan.viewer.seat.up for fan in self._fans))
        if not all(fan.viewer.seat.up for fan in self._fans):
            raise DemoFailed("the viewers could not enter the room")
        self.scene.tell(f"{counted(len(self._fans), 'viewer')} watch")
        for number in (1, 0):
            await self.host.pin(number)
            await asyncio.sleep(EXPLAIN_S)

    async def _sell(self) -> None:
        self.scene.phase = "the drop"
        self.scene.history.note(await self.host.open_drop(COUNTDOWN_S))
        await asyncio.sleep(COUNTDOWN_S + SELL_S)

    async def _try_luck(self) -> None:
        self.scene.phase = "the lucky bag"
        self._bag_id = await self.host.open_bag(LUCK_S)
        await asyncio.sleep(LUCK_S)
        await self.house.until(lambda: any(fan.claimed for fan in self._fans))
        await asyncio.sleep(EXPLAIN_S / 2)

    async def _lose_everybody(self) -> Storm:
        """All viewers lose their connection while the host restocks."""
        scene, fans = self.scene, self._fans
        scene.phase = "a reconnect storm"
        scene.tell(f"all {counted(len(fans), 'viewer')} lose the connection at once")
        began_s = time.monotonic()
        before = [fan.viewer.seen.connections for fan in fans]
        for fan in fans:
            fan.viewer.lose()
        scene.stock += MORE
        scene.history.note(Restock(self.drop_id, MORE, done=True))
        await self.host.restock(MORE)

        def back() -> int:
            return sum(
                fan.viewer.seat.up and fan.viewer.seen.connections > connections
                for fan, connections in zip(fans, before, strict=True)
            )

        await self.house.until(lambda: back() == len(fans))
        storm = Storm(len(fans), back(), 1000 * (time.monotonic() - began_s))
        self.room.storm = f"{storm.back:,} of {len(fans):,} back in {storm.took_ms / 1000:.1f} s"
        scene.tell(f"{storm.back:,} have resumed within {storm.took_ms / 1000:.1f} s")
        return storm

    async def _tick(self) -> None:
        while True:
            self.room.connected = sum(fan.viewer.seat.up for fan in self._fans)
            await asyncio.sleep(TICK_S)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            async with self._on_air:
                if self._over:
                    return
                await self.host.do("heartbeat")
