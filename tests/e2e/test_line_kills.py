"""`kill -9` of each process in each phase of a line: places are kept, nothing is granted twice.

Three lines run beside each other, one of each mode. Before each kill the three are in the phase
whose name the test has; after it they come to the next one by themselves.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from livesale.draws.order import Order
from livesale.line.drawn import find_faults, read_record
from tests.e2e.system import FAR_MS, Shop, open_shop
from tests.waiting import until

PEOPLE = [f"p{number}" for number in range(16)]
UNITS = 4
ROLES = ("api-0", "redis", "writer", "keeper")
# What dies in which phase in `make test`; `make soak` kills each in each.
SHORT = {
    "gathering": ("api-0", "redis"),
    "opening": ("keeper",),
    "serving": ("writer", "redis"),
    "granting": ("keeper",),
    "gone": ("redis",),
}


class Line:
    """One line, and the people in it."""

    def __init__(self, shop: Shop, mode: str) -> None:
        self.shop, self.mode = shop, mode
        self.drop_id, self.path, self.opens_ms = "", "", 0
        self.index: dict[str, int] = {}
        self.paid: set[str] = set()

    async def prepare(self, *, units: int, gathers_ms: int) -> None:
        shop, now_ms = self.shop, time.time_ns() // 1_000_000
        self.opens_ms = now_ms + gathers_ms
        sku = await shop.admin("POST", "skus", {"title": "Shoes", "price_fen": 9_900})
        times = {"opens_ms": self.opens_ms, "closes_ms": FAR_MS}
        campaign = await shop.admin("POST", "campaigns", {"title": "11.11", **times})
        ids = {"campaign_id": campaign["campaign_id"], "sku_id": sku["sku_id"]}
        terms = {"price_fen": 9_900, "allotted": units, "buyer_limit": 1, "hold_ms": 600_000}
        more = {"ticket_required": True, "expired_limit": 0}
        self.drop_id = (await shop.admin("POST", "drops", {**ids, **terms, **more}))["drop_id"]
        self.path = f"/v1/drops/{self.drop_id}"
        line = {"mode": self.mode, "turn_ms": 60_000, "rate_per_s": 1_000}
        await shop.admin("POST", f"drops/{self.drop_id}/line", line)
        await shop.admin("POST", f"drops/{self.drop_id}/open")

    async def ask(self, who: str, method: str, what: str, body: Any = None) -> tuple[int, Any]:
        """Once more while a killed part is away: every call of a buyer may be repeated."""
        headers = {"Authorization": f"Bearer {self.shop.system.token_of(who)}"}
        if what == "reservations":
            headers["Idempotency-Key"] = "once"
        url = f"{self.shop.system.url}{self.path}/{what}"
        async with asyncio.timeout(60):
            while True:
                try:
                    async with self.shop.client.request(
                        method, url, json=body, headers=headers
                    ) as answer:
                        if answer.status not in (425, 429, 503):
                            return answer.status, await answer.json()
                except (aiohttp.ClientError, ValueError):
                    pass
                await asyncio.sleep(0.05)

    async def join(self, *people: str) -> None:
        """Each of them, some by two devices at once."""

        async def one(who: str) -> None:
            status, place = await self.ask(who, "POST", "line", {})
            assert status in (200, 201), place
            assert self.index.setdefault(who, place["index"]) == place["index"]

        await asyncio.gather(*(one(who) for who in (*people, *people[:3])))

    async def places(self) -> dict[str, Any]:
        """Everybody's place; it is the one that they were told when they joined."""
        found = {}
        for who, index in self.index.items():
            status, place = await self.ask(who, "GET", "line/me")
            assert (status, place["index"]) == (200, index), (who, place)
            found[who] = place
        return found

    async def who_may(self, standing: str, count: int) -> list[str]:
        """Those whose turn it is, or who have a unit to pay, once there are so many."""
        names: list[str] = []

        async def there() -> bool:
            places = await self.places()
            names[:] = [who for who, place in places.items() if place["standing"] == standing]
            return len(names) >= count

        await until(there, 60)
        return names

    async def buy(self, who: str) -> str:
        """With a ticket; the id of the reservation."""
        status, ticket = await self.ask(who, "POST", "tickets", {})
        assert status == 201, ticket
        body = {"quantity": 1, "ticket": ticket["ticket"]}
        status, made = await self.ask(who, "POST", "reservations", body)
        assert status in (200, 201), made
        return str(made["reservation_id"])

    async def pay(self, rid: str) -> None:
        paid = {"outcome": "paid"}
        told = await self.shop.ask("POST", f"/v1/payments/simulated/{rid}", paid)
        assert told["result"] in ("sold", "replayed"), told
        self.paid.add(rid)

    async def state_is(self, state: str) -> dict[str, Any]:
        shown: dict[str, Any] = {}

        async def there() -> bool:
            shown.update((await self.ask("p0", "GET", "line"))[1])
            return shown.get("state") == state

        await until(there, 60)
        return shown


Kill = Callable[[str], Awaitable[None]]


async def play(shop: Shop, kill: Kill) -> None:
    """Three lines from the gathering to gone; `kill` is called in each phase."""
    turns, draw, waitlist = (Line(shop, mode) for mode in ("turns", "draw", "waitlist"))
    # gathering
    await turns.prepare(units=UNITS, gathers_ms=10_000)
    await draw.prepare(units=UNITS, gathers_ms=10_000)
    await waitlist.prepare(units=1, gathers_ms=0)
    first = await waitlist.buy("early")
    joining = [line.join(*PEOPLE[:12]) for line in (turns, draw, waitlist)]
    await asyncio.gather(kill("gathering"), *joining)
    await asyncio.gather(*(line.places() for line in (turns, draw, waitlist)))
    # close and open
    await asyncio.sleep(max(0.0, turns.opens_ms / 1000 - time.time() - 0.1))
    await kill("opening")
    shown = await turns.state_is("open")
    lots = await draw.state_is("open")
    await asyncio.gather(turns.join(*PEOPLE[12:]), draw.join(*PEOPLE[12:]))
    # serving, and the units of the draw
    called, held = await turns.who_may("turn", UNITS), await draw.who_may("held", UNITS)
    assert len(held) == UNITS
    buying = [turns.buy(who) for who in called[:UNITS]]
    _, *rids = await asyncio.gather(kill("serving"), *buying)
    order = Order(shown["seed"], shown["n0"], shown["closing_id"])
    for who, place in (await turns.places()).items():
        assert place["position"] == order.position_of(turns.index[who])
    # granting: units return in the draw and for the waitlist
    places = await draw.places()
    winners = [places[who]["reservation_id"] for who in held]
    giving = [release(shop, who, rid) for who, rid in zip(held[:2], winners, strict=False)]
    await asyncio.gather(kill("granting"), release(shop, "early", first), *giving)
    await draw.who_may("held", UNITS)
    (lucky,) = await waitlist.who_may("held", 1)
    assert waitlist.index[lucky] == min(waitlist.index.values())
    # gone: everything is paid
    unpaid = [str(rid) for rid in rids]
    for line in (draw, waitlist):
        now = (await line.places()).values()
        unpaid += [place["reservation_id"] for place in now if place["standing"] == "held"]
    assert len(set(unpaid)) == 2 * UNITS + 1
    await asyncio.gather(kill("gone"), *(turns.pay(rid) for rid in unpaid))
    for line, units in ((turns, UNITS), (draw, UNITS), (waitlist, 1)):
        await line.state_is("gone")
        books = (await shop.settle(line.drop_id))["redis"]
        assert (books["sold"], books["held"], books["available"]) == (units, 0, 0)
        status, refused = await line.ask("late", "POST", "tickets", {})
        assert (status, refused["code"]) == (410, "gone")
    # the draw is one that anybody can check, of those who came before the opening
    async with shop.client.get(f"{shop.system.url}{draw.path}/draw") as found:
        record = read_record(await found.read())
    assert find_faults(record) == []
    assert len(record.entry_ids) == lots["n0"]
    shop.system.command("audit")


async def release(shop: Shop, who: str, rid: str) -> None:
    token = {"Authorization": f"Bearer {shop.system.token_of(who)}"}
    assert (await shop.ask("DELETE", f"/v1/reservations/{rid}", **token))["status"] == "released"


@pytest.fixture
async def own_shop(tmp_path: Path, mariadb_url: str) -> AsyncIterator[Shop]:
    async with open_shop(tmp_path, migrate=True, LIVESALE__SQL__URL=mariadb_url) as shop:
        yield shop


async def test_lines_survive_kills_in_every_phase(own_shop: Shop) -> None:
    async def kill(phase: str) -> None:
        for role in SHORT[phase]:
            await own_shop.system.kill(role)

    await play(own_shop, kill)


@pytest.mark.soak
@pytest.mark.parametrize("role", ROLES)
async def test_lines_survive_the_kill_of_each_in_every_phase(own_shop: Shop, role: str) -> None:
    async def kill(_: str) -> None:
        await own_shop.system.kill(role)

    await play(own_shop, kill)
