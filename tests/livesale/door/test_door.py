"""The door in front of the shop: a real nginx with its cache, a real browser, a real line."""

import asyncio
import re
import time

import aiohttp
import pytest
from playwright.async_api import expect

from livesale.ledger.writer import Writer
from livesale.line.keeper import LineKeeper
from livesale.telemetry.metrics import REGISTRY
from tests.livesale.api import Api
from tests.livesale.catalogue.test_catalogue import break_sql
from tests.livesale.door.conftest import Gate
from tests.livesale.line.test_line import gather, is_joinable
from tests.livesale.stage import running
from tests.phones import TELL_VIOLATIONS, Phone, phones
from tests.waiting import until

pytestmark = pytest.mark.slow

CROWD = 300
WAIT_MS = 30_000
DRAWS_LAST = "Math.random = () => 0.999"


async def ask(gate: Gate, client: aiohttp.ClientSession) -> tuple[int, dict[str, object]]:
    async with client.get(f"{gate.url}/v1/door") as answer:
        return answer.status, await answer.json()


async def test_a_crowd_is_held_by_a_cache_and_let_in(api: Api, gate: Gate) -> None:
    stage = api.deployment
    complaints: list[str] = []

    async def come(phone: Phone, where: str) -> None:
        await phone.page.add_init_script(TELL_VIOLATIONS)
        await phone.page.goto(gate.url + where)

    async with (
        running(Writer(stage)),
        running(LineKeeper(stage)),
        aiohttp.ClientSession() as client,
        phones() as open_phone,
    ):
        # given no line: a visitor goes in at once, to the page that was asked for
        early = await open_phone()
        await come(early, "/shop/#/pages/orders/index")
        await expect(early.page).to_have_url(re.compile(r"/shop/\?door=in#/pages/orders/index$"))
        complaints += early.complaints

        # when a line gathers for an opening soon
        drop_id = await gather(api, opens_in_ms=14_000)
        await is_joinable(api, drop_id)

        async def is_held() -> bool:  # the cache keeps an answer for a second, and while it asks
            _, answer = await ask(gate, client)
            return bool(answer["holds"])

        await until(is_held)

        # then a visitor who draws a late moment is held, and told why
        phone = await open_phone()
        await phone.page.add_init_script(DRAWS_LAST)
        await come(phone, f"/shop/#/pages/drop/index?id={drop_id}")
        await expect(phone.page.get_by_text("a place by lot")).to_be_visible()
        await expect(phone.page.locator("li")).to_contain_text("Tea")
        drawn = await phone.page.evaluate("localStorage['livesale-door']")
        # and a reload draws nothing new
        await phone.page.reload()
        await expect(phone.page.locator("li")).to_contain_text("Tea")
        assert await phone.page.evaluate("localStorage['livesale-door']") == drawn

        # and a crowd costs the service next to nothing
        asked_before = requests_of("/v1/door")
        began = time.monotonic()
        answers = await asyncio.gather(*(ask(gate, client) for _ in range(CROWD)))
        took_s = time.monotonic() - began
        assert {status for status, _ in answers} == {200}
        assert all(body["holds"] for _, body in answers)
        assert requests_of("/v1/door") - asked_before <= took_s + 3

        # when the moment comes, then the visitor is in, before the sale opens
        await expect(phone.page).to_have_url(
            re.compile(rf"/shop/\?door=in#.*id={drop_id}$"), timeout=WAIT_MS
        )
        came_ms = await phone.page.evaluate("performance.timeOrigin")
        assert came_ms < (await api.get(f"/v1/drops/{drop_id}/line")).body["opens_ms"]
        # and is not held again
        await phone.page.goto(f"{gate.url}/shop/")
        await expect(phone.page).to_have_url(re.compile("/shop/(#/)?$"))
        assert complaints + phone.complaints == []


async def test_the_last_answer_serves_while_a_store_is_away(api: Api, gate: Gate) -> None:
    stage = api.deployment
    async with (
        running(Writer(stage)),
        running(LineKeeper(stage)),
        aiohttp.ClientSession() as client,
    ):
        # given a line that the door has seen
        drop_id = await gather(api, opens_in_ms=60_000)
        await is_joinable(api, drop_id)
        status, seen = await ask(gate, client)
        assert (status, seen["holds"]) == (200, True)
        # when SQL goes away, then the service says what was so
        await break_sql(api)
        await asyncio.sleep(1.1)
        direct = await api.get("/v1/door")
        assert (direct.status, direct.body["lines"]) == (200, seen["lines"])
        # when the whole service goes away, then the cache does
        gate.lose_service()

        async def is_away() -> bool:
            async with client.get(f"{gate.url}/v1/time") as answer:
                return answer.status == 502

        await until(is_away)
        status, seen = await ask(gate, client)
        assert (status, seen["holds"]) == (200, True)


def requests_of(route: str) -> float:
    """How many the service itself has answered."""
    labels = {"method": "GET", "route": route, "status": "200"}
    return REGISTRY.get_sample_value("livesale_http_requests_total", labels) or 0.0
