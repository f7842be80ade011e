"""kill -9 of the keeper while it sends reminders: nobody is told twice, nearly all are told."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from livesale.database import engine as database
from livesale.identity.store import remember_buyer
from livesale.reminders.sender import PAGE
from livesale.reminders.store import count_waiting
from tests.e2e.system import Shop, open_shop
from tests.livesale.reminders.conftest import APPID, ROOM_TEMPLATE, SECRET
from tests.twins.wechat_messages import WeChatMessagesTwin
from tests.waiting import until

PEOPLE = 4 * PAGE


@pytest.fixture
async def twin() -> AsyncIterator[WeChatMessagesTwin]:
    twin = WeChatMessagesTwin(APPID, SECRET, {ROOM_TEMPLATE: {"thing1", "time2"}})
    yield twin
    await twin.stop()


@pytest.fixture
async def shop(tmp_path: Path, twin: WeChatMessagesTwin) -> AsyncIterator[Shop]:
    async with open_shop(
        tmp_path,
        LIVESALE__WECHAT__APPID=APPID,
        LIVESALE__WECHAT__SECRET=SECRET,
        LIVESALE__WECHAT__BASE_URL=await twin.start(),
        LIVESALE__REMINDERS__ROOM_TEMPLATE_ID=ROOM_TEMPLATE,
        LIVESALE__REMINDERS__ROOM_TEXTS=json.dumps({"thing1": "{title}", "time2": "{time}"}),
        LIVESALE__REMINDERS__AHEAD_S="600",
    ) as shop:
        yield shop


async def test_nobody_is_told_twice(shop: Shop, twin: WeChatMessagesTwin) -> None:
    # given a crowd with consents to spare, that waits for a room
    sql = database.connect("embedded", shop.system.data_dir)
    tokens = shop.system.tokens(PEOPLE)
    for number, token in enumerate(tokens):
        openid = f"openid-{number}"
        await remember_buyer(sql, token.split(".")[3], "wechat", openid)
        for _ in range(3):
            twin.consent(openid, ROOM_TEMPLATE)
    far_ms = time.time_ns() // 1_000_000 + 24 * 3_600_000
    new = {"title": "Shoes tonight", "host": "host", "starts_ms": far_ms}
    room = await shop.operate("POST", "/v1/rooms", new)
    path = f"/v1/rooms/{room['room_id']}"
    for token in tokens:
        await shop.ask("PUT", f"{path}/reminder", Authorization=f"Bearer {token}")
    # when it comes near, and the keeper is killed in the middle of two pages
    twin.answers_s = 0.05
    near = {"starts_ms": time.time_ns() // 1_000_000 + 300_000}
    await shop.operate("PATCH", path, near)
    for reached in (PAGE // 4, PAGE + PAGE // 2):

        async def enough(least: int = reached) -> bool:
            return len(twin.sent) >= least

        await until(enough)
        await shop.system.kill("keeper")

    # then it goes on, and those whom nobody is sure of are at most its two pages
    async def quiet() -> bool:
        async with database.transaction(sql, write=False) as connection:
            return await count_waiting(connection) == 0

    async with asyncio.timeout(120):
        await until(quiet)
    assert shop.system.stop() == 0  # with what it has begun
    await sql.dispose()
    names = [sent.openid for sent in twin.sent]
    assert len(names) == len(set(names))
    assert PEOPLE - 2 * PAGE <= len(names) <= PEOPLE
