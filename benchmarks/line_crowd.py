"""The crowd of `benchmarks.line_sale`: joins, is called, comes or not, pays or not, comes back."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from msgspec import Struct, field

from benchmarks.line_admission import RATE, TURN_MS, Person
from livesale.draws.order import Order
from loadtests.client import Pool, PoolLine
from loadtests.line import RESERVE, Answer
from loadtests.target import parse_target
from tests.e2e.system import Shop, System

EARLY = 0.9  # of the people join before the opening
AT_ONCE = 64  # requests
LOOK_S = 0.1  # between two looks at the line
LIMIT_S = 900.0
AFTER = 200  # people who ask once the line is gone
HOMES = 8  # addresses of this machine that reconnects come from: one has 28,000 ports


class Stall(Exception):
    """The line was not gone in time: what it said."""


class Seen(Struct):
    """What the crowd saw. `wrong` has what was not as promised."""

    joined: int = 0
    early: int = 0
    joins_per_s: float = 0.0
    checked: int = 0
    reconnects: int = 0
    reconnects_per_s: float = 0.0
    reconnect_p50_ms: float = 0.0
    reconnect_p99_ms: float = 0.0
    came: int = 0
    in_vain: int = 0
    refused: int = 0
    wrong: list[str] = field(default_factory=list)

    def note(self, fault: str) -> None:
        if len(self.wrong) < 10:
            self.wrong.append(fault)


class Crowd:
    """Plays one sale. The people of the trace are in the order in which they are called."""

    def __init__(self, system: System, people: list[Person], units: int, hold_ms: int) -> None:
        self.drop_id, self.opens_ms = "", 0
        self._system = system
        self._people = people
        self._units, self._hold_ms = units, hold_ms
        self._target = parse_target(system.url)
        self._pool = Pool(self._target, 2 * AT_ONCE)
        self._line = PoolLine(self._pool, 60.0)
        self._tokens = system.tokens(len(people))
        self._places: dict[int, str] = {}  # by number of the buyer
        self._buyers: dict[int, int] = {}  # the number of a buyer, by index
        self._order: Order | None = None
        self._seen = Seen()

    async def play(self, gather_s: float) -> Seen:
        """From the first join until the line is gone. Raises Stall."""
        async with self._shop() as shop:
            await self._prepare(shop, gather_s)
        count = int(EARLY * len(self._people))
        joining = asyncio.create_task(self._gather(range(count)))
        late = asyncio.create_task(self._come_late(range(count, len(self._people))))
        await self._until_open()
        await self._sell()
        await asyncio.gather(joining, late)
        await self._come_after()
        self._pool.close()
        return self._seen

    async def settle(self) -> None:
        """Until SQL has everything."""
        async with self._shop() as shop:
            await shop.settle(self.drop_id)

    @asynccontextmanager
    async def _shop(self) -> AsyncIterator[Shop]:
        async with aiohttp.ClientSession() as client:
            yield Shop(self._system, client)

    async def _prepare(self, shop: Shop, gather_s: float) -> None:
        now_ms = _now_ms()
        self.opens_ms = now_ms + int(gather_s * 1000)
        times = {"opens_ms": self.opens_ms, "closes_ms": now_ms + 3_600_000}
        sku = await shop.admin("POST", "skus", {"title": "Shoes", "price_fen": 9_900})
        campaign = await shop.admin("POST", "campaigns", {"title": "11.11", **times})
        terms: dict[str, Any] = {
            "campaign_id": campaign["campaign_id"],
            "sku_id": sku["sku_id"],
            "price_fen": 9_900,
            "allotted": self._units,
            "buyer_limit": 1,
            "hold_ms": self._hold_ms,
            "ticket_required": True,
            "expired_limit": 0,
        }
        self.drop_id = (await shop.admin("POST", "drops", terms))["drop_id"]
        line = {"turn_ms": TURN_MS, "rate_per_s": RATE, "capacity": len(self._people)}
        await shop.admin("POST", f"drops/{self.drop_id}/line", line)
        await shop.admin("POST", f"drops/{self.drop_id}/open")
        await shop.admin("POST", f"drops/{self.drop_id}/line", line)

    async def _ask(self, number: int, method: str, what: str, **more: Any) -> Answer:
        """One request of a buyer below the drop; again while the service asks for patience."""
        path = f"/v1/drops/{self.drop_id}/{what}"
        return await self._insist(number, method, path, **more)

    async def _insist(self, number: int, method: str, path: str, **more: Any) -> Answer:
        while True:
            name = RESERVE if path.endswith("/reservations") else method
            answer = await self._line.ask(name, method, path, token=self._tokens[number], **more)
            if answer.status and answer.status not in (429, 503):
                return answer
            await asyncio.sleep(max(0.1, answer.retry_after_s))

    async def _join(self, number: int) -> None:
        answer = await self._ask(number, "POST", "line")
        if answer.status not in (200, 201):
            self._seen.note(f"joining gave {answer.status} {answer.code}")
            return
        index = int(answer.body["index"])
        if self._buyers.setdefault(index, number) != number:
            self._seen.note(f"two people have the place {index}")
        self._places[number] = str(answer.body["place"])
        self._seen.joined += 1

    async def _gather(self, numbers: range) -> None:
        """As fast as they can; on a slow machine the last ones are late."""
        began_s = time.perf_counter()
        await _all(numbers, self._join)
        self._seen.joins_per_s = len(numbers) / (time.perf_counter() - began_s)
        left_s = (self.opens_ms - _now_ms()) / 1000
        print(f"{len(numbers):,} have joined, {left_s:,.1f} s to go", flush=True)

    async def _until_open(self) -> None:
        await asyncio.sleep(max(0.0, (self.opens_ms - _now_ms()) / 1000))

    async def _come_late(self, numbers: Iterable[int]) -> None:
        await self._until_open()
        await _all(numbers, self._join, at_once=4)

    async def _sell(self) -> None:
        """Follow the line as its page does; whoever is called comes as the trace says."""
        ends_s, called = time.monotonic() + LIMIT_S + len(self._people) / 1000, 0
        turns: list[asyncio.Task[None]] = []
        storm: asyncio.Task[None] | None = None
        while True:
            line = (await self._line.ask("line", "GET", f"/v1/drops/{self.drop_id}/line")).body
            if line.get("state") in ("open", "gone") and self._order is None:
                self._order = Order(line["seed"], line["n0"], line["closing_id"])
                self._seen.early = int(line["n0"])
            now = range(called, line.get("serving", 0))
            turns += [asyncio.create_task(self._turn(position)) for position in now]
            called = max(called, line.get("serving", 0))
            if called and not line.get("available") and storm is None:
                storm = asyncio.create_task(self._reconnect())
            if line.get("state") == "gone":
                break
            if time.monotonic() > ends_s:
                raise Stall(str(line))
            await asyncio.sleep(LOOK_S)
        await asyncio.gather(*turns)
        if storm is not None:
            await storm

    async def _turn(self, position: int) -> None:
        assert self._order is not None  # noqa: S101  positions are known once it is open
        person = self._people[position]
        if person.comes_ms < 0:
            return
        await asyncio.sleep(person.comes_ms / 1000)
        number = self._buyers.get(self._order.index_at(position))
        if number is None:
            self._seen.note(f"nobody has the position {position}, which was called")
            return
        self._seen.came += 1
        ticket = await self._ask(number, "POST", "tickets")
        if ticket.code == "gone":
            self._seen.in_vain += 1
            return
        if not ticket.good:
            self._seen.note(f"position {position} was called and got no ticket: {ticket.code}")
            return
        body = {"quantity": 1, "ticket": ticket.body["ticket"]}
        made = await self._ask(number, "POST", "reservations", body=body, key="once")
        if made.code in ("sold_out", "closed"):
            self._seen.in_vain += 1
            return
        if not made.good:
            self._seen.note(f"position {position} could not reserve: {made.code}")
            return
        if person.pays_ms >= 0:
            await asyncio.sleep(person.pays_ms / 1000)
            await self._pay(number, str(made.body["reservation_id"]))

    async def _pay(self, number: int, rid: str) -> None:
        await self._insist(number, "POST", f"/v1/reservations/{rid}/payment")
        paid = {"outcome": "paid"}
        done = await self._insist(number, "POST", f"/v1/payments/simulated/{rid}", body=paid)
        if done.body.get("result") != "sold":
            self._seen.note(f"a payment in time gave {done.status} {done.body}")

    async def _reconnect(self) -> None:
        """Everybody who has joined asks for their place, on a new connection each."""
        assert self._order is not None  # noqa: S101
        index_of = {number: index for index, number in self._buyers.items()}
        took: list[float] = []
        began_s = time.perf_counter()

        async def ask(number: int) -> None:
            started_s = time.perf_counter()
            place = await self._look(number)
            took.append(time.perf_counter() - started_s)
            right = self._order.position_of(index_of[number]) if self._order else None
            if place.get("index") != index_of[number] or place.get("position") != right:
                self._seen.note(f"the place of {index_of[number]} is shown as {place}")
            self._seen.checked += 1

        await _all(list(self._places), ask)
        seconds, took = time.perf_counter() - began_s, sorted(took)
        self._seen.reconnects, self._seen.reconnects_per_s = len(took), len(took) / seconds
        self._seen.reconnect_p50_ms = 1000 * took[len(took) // 2]
        self._seen.reconnect_p99_ms = 1000 * took[int(len(took) * 0.99)]

    async def _look(self, number: int) -> dict[str, Any]:
        pool = Pool(self._target, 1, f"127.0.0.{1 + number % HOMES}")
        try:
            path = f"/v1/drops/{self.drop_id}/line/me?place={self._places[number]}"
            line = PoolLine(pool, 60.0)
            while True:
                answer = await line.ask("me", "GET", path, token=self._tokens[number])
                if answer.good:
                    return answer.body
                if answer.status not in (0, 429, 503):
                    return {"code": answer.code}
                await asyncio.sleep(max(0.1, answer.retry_after_s))
        finally:
            pool.close()

    async def _come_after(self) -> None:
        """Who still waits is told that it is gone, and gets no ticket."""
        assert self._order is not None  # noqa: S101
        last = self._order.n0 - 1
        for position in range(max(0, last - AFTER), last):
            number = self._buyers[self._order.index_at(position)]
            ticket = await self._ask(number, "POST", "tickets")
            place = await self._ask(number, "GET", f"line/me?place={self._places[number]}")
            if ticket.code != "gone" or place.body.get("standing") != "gone":
                self._seen.note(f"after gone: {ticket.code}, {place.body.get('standing')}")
            self._seen.refused += 1


async def _all(
    numbers: Iterable[int], act: Callable[[int], Awaitable[None]], at_once: int = AT_ONCE
) -> None:
    """Do it for each, so many at once."""
    todo = iter(numbers)

    async def work() -> None:
        for number in todo:
            await act(number)

    await asyncio.gather(*(work() for _ in range(at_once)))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
