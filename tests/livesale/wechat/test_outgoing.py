"""Requests to services outside: bounded as a whole, and fair to those for whom they are made."""

import ast
import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

import livesale
from livesale.identity.login import WeChatLogin
from livesale.tasks.turns import WORKS_FOR, Client, Crowded
from livesale.wechat.client import Bounds

# What speaks HTTP to somebody else than this service.
DOOR = ("wechat", "client.py")


class Outside:
    """WeChat's login, which answers when it is told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers = asyncio.Event()

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.query["js_code"])
        await self.answers.wait()
        return web.json_response({"openid": request.query["js_code"]})

    async def until(self, count: int) -> None:
        async with asyncio.timeout(30):
            while len(self.asked) < count:  # noqa: ASYNC110  the server notes them
                await asyncio.sleep(0.005)


@pytest.fixture
async def outside() -> Outside:
    return Outside()


@pytest.fixture
async def login(outside: Outside) -> AsyncIterator[WeChatLogin]:
    app = web.Application()
    app.router.add_get("/sns/jscode2session", outside.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    login = WeChatLogin(
        appid="a", secret="s", base_url=url, timeout_s=60.0, bounds=Bounds(at_once=4)
    )
    async with login.running():
        yield login
    await runner.cleanup()


async def come(login: WeChatLogin, address: str, code: str) -> str:
    WORKS_FOR.set(Client(address, stranger=True))
    return (await login.identify(code)).subject


async def test_one_address_takes_half_of_what_is_asked_outside(
    login: WeChatLogin, outside: Outside
) -> None:
    # given an address that logs in more often than WeChat answers
    many = [asyncio.create_task(come(login, "a", f"a{number}")) for number in range(8)]
    await outside.until(2)
    # when others come
    others = [asyncio.create_task(come(login, name, name)) for name in ("b", "c", "d")]
    await outside.until(4)
    await asyncio.sleep(0.05)
    # then two of them are asked for at once, and no more than four in all
    assert outside.asked == ["a0", "a1", "b", "c"]
    # and the next has its turn before the rest of the first
    outside.answers.set()
    await asyncio.gather(*many, *others)
    assert outside.asked.index("d") < 8


async def test_logins_for_which_nobody_has_time_are_refused_unasked(
    login: WeChatLogin, outside: Outside
) -> None:
    # given as many of one address as may wait
    waiting = 2 + login._outgoing._turns._max_each
    many = [asyncio.create_task(come(login, "a", f"a{number}")) for number in range(waiting)]
    await outside.until(2)
    # then one more is not asked for
    with pytest.raises(Crowded):
        await come(login, "a", "late")
    outside.answers.set()
    await asyncio.gather(*many)
    assert "late" not in outside.asked


def test_nothing_but_the_door_speaks_to_services_outside() -> None:
    folder = Path(livesale.__file__).parent
    for path in folder.rglob("*.py"):
        if path.parts[-2:] == DOOR:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                assert node.func.attr not in ("ClientSession", "urlopen"), path
