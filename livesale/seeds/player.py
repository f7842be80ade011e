"""Plays the show: heartbeats, viewers, likes, and the beats of the script that are due.

It keeps nothing but the place in time. After a crash it goes on with what is due from then on, and
every key that it uses is made of the round: nothing happens twice.
"""

import random
import secrets

import structlog

from livesale.catalogue.store import Drop
from livesale.rooms.bags.service import NewBag
from livesale.rooms.members import RoomRole
from livesale.rooms.people.scripts import Report
from livesale.rooms.states import ON_AIR, OVER, RoomState
from livesale.rooms.store import Room
from livesale.seeds.goods import PRIZE_CODE
from livesale.seeds.people import HOST, PEOPLE
from livesale.seeds.sale import Sale
from livesale.seeds.script import (
    BAG_S,
    POT,
    ROUND_S,
    WINNERS,
    Act,
    Beat,
    likes_at,
    plan_round,
    viewers_at,
)
from livesale.seeds.show import LASTS_MS, WARES, Stage
from livesale.seeds.tools import Tools
from livesale.validation.refusals import PartitionClosed, SalesFault
from stock.ids import Origin, origin_id

TICK_S = 2.0
COUNTDOWN_S = 10.0

log = structlog.get_logger(__name__)


class Player:
    """Plays the show of one room until it is over, or a day old."""

    def __init__(self, tools: Tools, stage: Stage, sale: Sale, room_id: str) -> None:
        self._tools = tools
        self._stage = stage
        self._sale = sale
        self._room_id = room_id
        self._since_ms = 0  # beats until then were played, or are missed
        self._worker = f"seeds{secrets.token_hex(4)}"
        self._turn = 0
        self._chance = random.Random()

    async def tick(self) -> bool:
        """Do what is due; False if the room is over, or as old as a room should become."""
        now_ms = await self._tools.engine.now_ms()
        room = await self._tools.rooms.find(self._room_id)
        if room.state in OVER or now_ms - room.starts_ms > LASTS_MS:
            return False
        began_ms = room.started_ms
        if room.state not in ON_AIR or began_ms is None:
            return True  # an operator has banned it
        room = await self._tools.lifecycle.beat(room)
        played_s = (now_ms - began_ms) / 1000
        await self._report(viewers_at(played_s), likes_at(played_s, self._chance))
        since_ms, self._since_ms = self._since_ms, now_ms
        if room.state == RoomState.LIVE and since_ms:
            for number, beat in due(began_ms, since_ms, now_ms):
                await self.act(room, number, beat)
        return True

    async def leave(self) -> None:
        """Nobody watches any more."""
        await self._report(0, 0)

    async def act(self, room: Room, number: int, beat: Beat) -> None:
        """One beat of a round. A refusal is no fault: an operator may have changed the room."""
        try:
            await self._act(room, number, beat)
        except PartitionClosed:
            raise
        except SalesFault as why:
            log.debug("a beat of the show was refused", act=beat.act, why=str(why))

    async def _act(self, room: Room, number: int, beat: Beat) -> None:
        match beat.act:
            case Act.SAY:
                host = beat.who < 0
                buyer_id = HOST if host else PEOPLE[beat.who].buyer_id
                role = RoomRole.HOST if host else RoomRole.VIEWER
                await self._tools.comments.say(room, buyer_id, role, beat.what)
            case Act.PIN:
                await self._pin(beat.what)
            case Act.UNPIN:
                await self._tools.shelves.unpin(self._room_id)
            case Act.CLAIM | Act.BUY:
                await self._shop(number, beat)
            case Act.REFILL:
                await self._refill(number)
            case Act.POTS:
                drop = await self._stage.next_pots(self._room_id)
                item_id = await self._stage.show(self._room_id, drop, POT)
                await self._tools.on_air.open(room, drop.drop_id, COUNTDOWN_S)
                await self._tools.shelves.pin(self._room_id, item_id)
            case Act.BAG:
                await self._open_bag(room, number, beat.what)
            case Act.ENTER:
                await self._enter(room, PEOPLE[beat.who].buyer_id)

    async def _report(self, viewers: int, likes: int) -> None:
        self._turn += 1
        report = Report(self._worker, viewers, likes, self._turn)
        tick_ms = self._tools.deployment.settings.live.people_ms
        await self._tools.copy.with_room(
            self._room_id,
            lambda: self._tools.copy.people.report(self._room_id, report, tick_ms=tick_ms),
            lambda counted: counted is None,
        )

    async def _pin(self, code: str) -> None:
        sku = await self._stage.sku(code)
        for item in (await self._tools.shelves.show_whole(self._room_id)).items:
            if item.sku_id == sku.sku_id:
                await self._tools.shelves.pin(self._room_id, item.item_id)
                return

    async def _shop(self, number: int, beat: Beat) -> None:
        found = await self._stage.drops_of(self._room_id, beat.what)
        if not found:
            return
        buyer_id = f"dev-crowd-{number}-{beat.who}"
        key = f"show {number} {beat.who}"
        if beat.act is Act.BUY:
            await self._sale.buy(found[0].drop_id, buyer_id, key)
        else:
            await self._sale.reserve(found[0].drop_id, buyer_id, key)

    async def _refill(self, number: int) -> None:
        """Bring each ware back to what a round needs; once in a round."""
        for ware in WARES:
            for drop in await self._stage.drops_of(self._room_id, ware.code):
                await self._top_up(drop, ware.units, number)

    async def _top_up(self, drop: Drop, units: int, number: int) -> None:
        stand = await self._tools.engine.snapshot(drop.drop_id)
        missing = units - stand.available - stand.held if stand is not None else 0
        if missing > 0:
            adjust_id = origin_id(drop.drop_id, Origin.ROOM, f"show {number}")
            await self._tools.drops.adjust(drop.drop_id, missing, "next round", adjust_id)

    async def _open_bag(self, room: Room, number: int, phrase: str) -> None:
        prizes = await self._stage.drops_of(self._room_id, PRIZE_CODE)
        is_unit = bool(prizes) and number % 4 in (0, 1)
        new = NewBag(
            title="三份春茶样 Three tea samples" if is_unit else "三张十元券 Three ¥10 coupons",
            places=WINNERS,
            countdown_s=BAG_S,
            drop_id=prizes[0].drop_id if is_unit else None,
            coupon=None if is_unit else "茶具满百减十 ¥10 off ¥100",
            phrase=phrase or None,
        )
        await self._tools.bags.create(room, new)

    async def _enter(self, room: Room, buyer_id: str) -> None:
        running = await self._tools.bags.find_all(
            room_id=self._room_id, states=("open",), words="", before="", limit=1
        )
        for bag, _ in running:
            await self._tools.entries.enter(room, bag.bag_id, buyer_id, RoomRole.VIEWER)


def due(started_ms: int, since_ms: int, now_ms: int) -> list[tuple[int, Beat]]:
    """The beats after a time and until another, each with the number of its round."""
    after_s, until_s = (since_ms - started_ms) / 1000, (now_ms - started_ms) / 1000
    first, last = max(0, int(after_s // ROUND_S)), int(until_s // ROUND_S)
    return [
        (number, beat)
        for number in range(max(first, last - 1), last + 1)
        for beat in plan_round(number)
        if after_s < number * ROUND_S + beat.at_s <= until_s
    ]
