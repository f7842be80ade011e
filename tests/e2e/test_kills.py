"""`kill -9` of each process in the middle of a sale: the end is the same as without.

Buyers retry with their key until they have a final answer. Then every answer 201 or 200 stands as
exactly one order, no order stands without one, all units are given out, and the audit is clean.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.e2e.system import Buyer, Count, Shop, System

BUYERS = 400
UNITS = 300


@pytest.fixture
def system(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[System]:
    environment = {}
    if getattr(request, "param", "sqlite") == "mariadb":
        environment["LIVESALE__SQL__URL"] = request.getfixturevalue("mariadb_url")
    system = System(tmp_path, **environment)
    if environment:
        system.command("migrate")
    system.start()
    yield system
    system.stop()


@pytest.mark.parametrize(
    ("victims", "system"),
    [
        (("api-0", "redis", "writer"), "mariadb"),
        *(
            pytest.param((victim, victim), sql, marks=pytest.mark.soak)
            for victim in ("api-0", "redis", "writer")
            for sql in ("sqlite", "mariadb")
        ),
    ],
    indirect=["system"],
)
async def test_a_sale_survives_the_kill_of(system: System, victims: tuple[str, ...]) -> None:
    # Given a sale with more demand than units, quantities 1 to 3
    await system.wait_until_ready()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=40)) as client:
        shop = Shop(system, client)
        drop_id = await shop.open_drop(UNITS)
        tokens = system.tokens(BUYERS)
        sold = Count()
        buyers = [Buyer(shop, token, n % 3 + 1, sold) for n, token in enumerate(tokens)]

        # When the victims are killed, one after the other, each after some have got theirs
        async def strike() -> None:
            for number, victim in enumerate(victims, 1):
                await sold.wait_for(number * UNITS // 10)
                await system.kill(victim)
                await asyncio.sleep(0.3)

        await asyncio.gather(strike(), *[buyer.buy(drop_id) for buyer in buyers])
        books = await shop.settle(drop_id)
        # A buyer who was answered asks once more and hears the same.
        for buyer in buyers:
            buyer.status = 0
        await asyncio.gather(*[buyer.buy(drop_id) for buyer in buyers if buyer.answers])
        orders = await asyncio.gather(*[orders_of(shop, buyer) for buyer in buyers])

    # Then every acknowledged reservation is one order, and every order was acknowledged
    for buyer, found in zip(buyers, orders, strict=True):
        assert len(buyer.rids) <= 1
        assert [order["order_id"] for order in found] == sorted(buyer.rids)
        assert all(order["quantity"] == buyer.quantity for order in found)
    assert books["redis"] == books["sql"]
    assert books["sql"] == {
        **{"allotted": UNITS, "available": 0, "held": UNITS, "sold": 0, "burned": 0}
    }
    statuses = Counter(buyer.status for buyer in buyers)
    assert set(statuses) == {0, 200}, "only those with nothing were not asked again"
    system.command("audit")  # which exits 1 when a promise is broken


async def orders_of(shop: Shop, buyer: Buyer) -> list[dict[str, object]]:
    page = await shop.ask("GET", "/v1/orders", Authorization=buyer.headers["Authorization"])
    return list(page["orders"])
