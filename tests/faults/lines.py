"""Lines in front of drops while things break: people gather, wait, are called, pay or do not.

Each line runs through all its phases within half a minute; three kinds of lines take turns. What
people were told of their places is held against SQL in the end: a place is kept, whatever dies.
"""

import asyncio
import random
from collections import defaultdict
from itertools import cycle

from msgspec import Struct, field
from sqlalchemy import select

from livesale.database.engine import snapshot
from livesale.draws.order import Order
from livesale.ledger.line_rows import batches_of, leaves_of
from livesale.ledger.line_tables import lines
from livesale.ledger.tables import orders
from livesale.line.places import place_rid
from loadtests.checks import Finding, shorten
from stock.ids import drop_of, keyed_rid
from stock.line.model import LineMode, LineState
from tests.faults.bank import Bank
from tests.faults.history import Answer, Claim, Try
from tests.faults.operators import PRICE_FEN, Operators
from tests.faults.shop import Shop, Told, now_ms
from tests.faults.system import FaultySystem
from tests.faults.world import World

PEOPLE, UNITS = 24, 8
GATHER_MS, TURN_MS, LASTS_S = 2_500, 3_000, 18.0
EVERY_S = 6.0  # between the beginnings of two lines
LOOK_S = 0.4
TRIES = 60
AGAIN = {
    *("lost", "refused", "outcome_unknown", "overloaded", "slow_down", "fenced", "not_open"),
    *("engine_refused", "books_broken", "store_unavailable", "paused", "not_your_turn"),
}
OVER = {"gone", "closed", "line_full", "unknown_line", "no_place"}


class Queue(Struct):
    """A line, and what its people were told: places by buyer, positions by place."""

    drop_id: str
    mode: LineMode
    places: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    left: set[str] = field(default_factory=set)
    positions: dict[int, set[int]] = field(default_factory=dict)


class Lines:
    """Opens a line every few seconds, with its people."""

    def __init__(
        self, shop: Shop, operators: Operators, bank: Bank, world: World, seed: int
    ) -> None:
        self.queues: list[Queue] = []
        self._shop, self._operators, self._bank, self._world = shop, operators, bank, world
        self._chance = random.Random(seed)
        self._running: set[asyncio.Task[None]] = set()

    async def work(self) -> None:
        """Until cancelled; the people who are there stay until they are done."""
        for mode in cycle(LineMode):
            task = asyncio.create_task(self._play(mode))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            await asyncio.sleep(EVERY_S)

    async def finish(self) -> None:
        while self._running:
            await asyncio.gather(*self._running)

    async def _play(self, mode: LineMode) -> None:
        is_waitlist = mode is LineMode.WAITLIST
        drop_id = await self._operators.open_one(
            UNITS // 4 if is_waitlist else UNITS,
            0 if is_waitlist else GATHER_MS,
            line={"mode": mode.value, "turn_ms": TURN_MS, "rate_per_s": 1_000},
        )
        if drop_id is None:
            return
        queue = Queue(drop_id, mode)
        self.queues.append(queue)
        people = [self._live(queue, f"{drop_id}-{number}") for number in range(PEOPLE)]
        await asyncio.gather(*people)

    async def _live(self, queue: Queue, buyer_id: str) -> None:
        """One person, until the line or their patience ends."""
        ends_ms = now_ms() + LASTS_S * 1000
        # Most come in time, some after the opening.
        await asyncio.sleep(self._chance.uniform(0, 1.3 * GATHER_MS / 1000))
        place, mood = "", self._chance.random()
        joined = await self._join(queue, buyer_id)
        while joined is not None and now_ms() < ends_ms:
            if mood < 0.1:
                await self._leave(queue, buyer_id)
                return
            told = await self._ask("GET", queue, f"line/me?place={place}", buyer_id)
            if told.code in OVER:
                return
            if told.code == "ok":
                place = str(told.body["place"])
                self._note(queue, buyer_id, told)
                standing = told.body["standing"]
                if standing in ("turn", "held") and mood < 0.8:
                    await self._take(queue, buyer_id, str(standing), told)
                    return
                if standing in ("gone", "bought", "missed"):
                    return
            await asyncio.sleep(LOOK_S)

    async def _join(self, queue: Queue, buyer_id: str) -> Told | None:
        """A place, whatever breaks; None if there is none to have."""
        verb = "entries" if queue.mode is LineMode.DRAW else "line"
        for _ in range(TRIES):
            told = await self._ask("POST", queue, verb, buyer_id)
            if told.code == "still_available":  # the first one buys, the others wait for it
                await self._buy(queue, buyer_id)
            elif told.code == "ok":
                self._note(queue, buyer_id, told)
                return told
            elif told.code == "line_closed":
                verb = "line"  # behind those who are drawn
            elif told.code not in AGAIN:
                return None
            await asyncio.sleep(0.2)
        return None

    def _note(self, queue: Queue, buyer_id: str, told: Told) -> None:
        index, position = int(told.body["index"]), told.body["position"]
        if index not in queue.places[buyer_id] and queue.mode is not LineMode.TURNS:
            # Joining is the request of a unit that may be held some time.
            rid = place_rid(queue.drop_id, buyer_id, index)
            one = Try(now_ms(), now_ms(), "lost")
            claim = Claim(queue.drop_id, buyer_id, 1, rid, [one])
            self._world.history.claims.append(claim)
        queue.places[buyer_id].add(index)
        if position is not None:
            queue.positions.setdefault(index, set()).add(int(position))

    async def _take(self, queue: Queue, buyer_id: str, standing: str, told: Told) -> None:
        if standing == "held":
            await self._bank.pay(str(told.body["reservation_id"]), PRICE_FEN)
            return
        await self._buy(queue, buyer_id)

    async def _buy(self, queue: Queue, buyer_id: str) -> None:
        """With a ticket, and a key that says it is one wish however often it is sent."""
        rid = keyed_rid(queue.drop_id, buyer_id, "once")
        history = self._world.history
        claim = next((one for one in history.claims[-500:] if one.rid == rid), None)
        if claim is None:
            claim = Claim(queue.drop_id, buyer_id, 1, rid)
            history.claims.append(claim)
        for _ in range(TRIES):
            ticket = await self._ask("POST", queue, "tickets", buyer_id)
            if ticket.code in AGAIN - {"not_your_turn"}:
                await asyncio.sleep(0.1)
                continue
            if ticket.code != "ok":
                return
            body = {"quantity": 1, "ticket": ticket.body["ticket"]}
            one = Try(now_ms(), 0.0, "lost")
            claim.tries.append(one)
            told = await self._ask("POST", queue, "reservations", buyer_id, body, "once")
            one.code, one.answered_ms = told.code, now_ms()
            if told.code == "ok":
                one.code = "held" if told.status == 201 else "replayed"
                made = told.body
                numbers = made["quantity"], made["amount_fen"], made["expires_ms"]
                claim.answers.append(Answer(made["reservation_id"], *numbers, now_ms()))
                if queue.mode is not LineMode.WAITLIST and self._chance.random() < 0.7:
                    await self._bank.pay(rid, PRICE_FEN)  # else it returns when the hold is over
                return
            if told.code not in AGAIN:
                return
            await asyncio.sleep(0.1)

    async def _leave(self, queue: Queue, buyer_id: str) -> None:
        queue.left.add(buyer_id)  # before the answer: it may be lost
        for _ in range(TRIES):
            if (await self._ask("DELETE", queue, "line", buyer_id)).code not in AGAIN:
                return
            await asyncio.sleep(0.2)

    async def _ask(
        self,
        method: str,
        queue: Queue,
        what: str,
        buyer_id: str,
        body: dict[str, object] | None = None,
        key: str = "",
    ) -> Told:
        path = f"/v1/drops/{queue.drop_id}/{what}"
        return await self._shop.ask(method, path, self._shop.token(buyer_id), body, key)


async def judge(system: FaultySystem, queues: list[Queue]) -> list[Finding]:
    """What people were told, against what SQL has. Nothing may be moving any more."""
    kept: list[str] = []
    ordered: list[str] = []
    granted: list[str] = []
    told = ended = 0
    async with snapshot(system.sql) as connection:
        for queue in queues:
            row = (
                await connection.execute(select(lines).where(lines.c.drop_id == queue.drop_id))
            ).first()
            ended += row is not None and row.state in (LineState.GONE, LineState.VOID)
            found = {
                index: buyer
                async for first, _, _, buyers in batches_of(connection, queue.drop_id)
                for index, buyer in enumerate(buyers, first)
            }
            gone = set(await leaves_of(connection, queue.drop_id))
            for buyer, places in queue.places.items():
                told += len(places)
                kept += [
                    f"{buyer} was told the place {index} of {queue.drop_id}, which is that of "
                    f"{found.get(index)}"
                    for index in places
                    if found.get(index) != buyer
                ]
                if buyer not in queue.left and places & gone:
                    kept.append(f"{buyer} never left, but is out of the line of {queue.drop_id}")
            wrong = [index for index, seen in queue.positions.items() if len(seen) > 1]
            if row is not None and queue.mode is LineMode.TURNS and row.closing_id:
                order = Order(row.seed, row.early, row.closing_id)
                wrong += [
                    n for n, seen in queue.positions.items() if seen != {order.position_of(n)}
                ]
            ordered += [f"{queue.drop_id}: place {n} was shown at other positions" for n in wrong]
        row = orders.c
        query = select(row.order_id, row.buyer_id, row.state).where(
            row.drop_id.in_([queue.drop_id for queue in queues])
        )
        owning: defaultdict[tuple[str, str], int] = defaultdict(int)
        for order_id, buyer, state in await connection.execute(query):
            owning[drop_of(order_id), buyer] += state in ("held", "sold")
    granted += [f"{buyer} has {n} units of {drop}" for (drop, buyer), n in owning.items() if n > 1]
    seen = f"{told:,} places in {len(queues)} lines, {ended} of them ended"
    return [
        Finding("nobody loses a place in line", shorten(kept), seen),
        Finding("a position is that of the published order", shorten(ordered), seen),
        Finding("a line gives nobody two units", shorten(granted), f"{len(owning):,} buyers"),
    ]
