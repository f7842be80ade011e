"""The whole system in child processes, as `livesale up` starts it, and patient buyers."""

import asyncio
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from redis.exceptions import RedisError

from livesale.folders.run import run_folder
from livesale.settings import load_settings
from livesale.tokens.signing import TokenSigner
from stock.connection import connect
from tests.forks import Forked, forks, run_livesale
from tests.ports import free_port

START_S = 240.0
FAR_MS = 4_000_000_000_000
FINAL = {200, 201, 403, 409, 410}  # answers after which a buyer asks no more


class System:
    """`livesale up` on a free port and an own data folder."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.data_dir = folder / "data"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **os.environ,
            "LIVESALE__DATA_DIR": str(self.data_dir),
            "LIVESALE__HTTP__PORT": str(self.port),
            "LIVESALE__HTTP__NOTICE_S": "0",
            **environment,
        }
        self.output = folder / "up.log"
        self.process: subprocess.Popen[bytes] | Forked | None = None
        self._forks = forks()

    def command(self, *words: str) -> str:
        """Run one `livesale` command to its end; what it printed."""
        done = run_livesale(*words, env=self.environment)
        assert done.returncode == 0, f"livesale {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self, workers: int = 2) -> None:
        words = ("up", "--no-seed", "--workers", str(workers))
        with self.output.open("ab") as output:
            self.process = self._forks.start(words, self.environment, output, output)

    async def wait_until_ready(self) -> None:
        async with aiohttp.ClientSession() as client, asyncio.timeout(START_S):
            while True:
                assert self.process is not None
                assert self.process.poll() is None, self.output.read_text()
                try:
                    async with client.get(f"{self.url}/readyz") as answer:
                        if answer.status == 200 and (await answer.json())["status"] == "ready":
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.05)

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(60)

    def tokens(self, count: int) -> list[str]:
        signer = self._signer  # it reads the settings: once for all of them
        return [signer.buyer(f"buyer-{number}") for number in range(1, count + 1)]

    def token_of(self, buyer_id: str) -> str:
        return self._signer.buyer(buyer_id)

    def operator(self) -> str:
        return self._signer.operator("ops")

    @property
    def _signer(self) -> TokenSigner:
        """That of the defaults, which these systems have: a command for each would cost seconds."""
        return TokenSigner.from_settings(load_settings(data_dir=self.data_dir))

    async def pid_of(self, role: str) -> int:
        """The process id of the writer, the keeper, an API worker (`api-0`) or `redis`.

        Waits for a process that is just being started again.
        """
        pattern = re.compile(rf"{role}\.(\d+)\.sock")
        async with asyncio.timeout(START_S):
            while True:
                if role == "redis":
                    pids = await self._redis_pids()
                else:
                    names = [path.name for path in run_folder(self.data_dir).iterdir()]
                    pids = [int(match[1]) for name in names if (match := pattern.fullmatch(name))]
                alive = [pid for pid in pids if Path(f"/proc/{pid}").exists()]
                if alive:
                    return alive[-1]
                await asyncio.sleep(0.05)

    async def _redis_pids(self) -> list[int]:
        redis = connect(f"unix://{run_folder(self.data_dir) / 'redis.sock'}")
        try:
            return [int((await redis.info("server"))["process_id"])]
        except RedisError:
            return []
        finally:
            await redis.aclose()

    async def kill(self, role: str) -> None:
        os.kill(await self.pid_of(role), signal.SIGKILL)


class Shop:
    """The system over HTTP, for operators and buyers."""

    def __init__(self, system: System, client: aiohttp.ClientSession) -> None:
        self.system = system
        self.client = client
        self._operator = {"Authorization": f"Bearer {system.operator()}"}

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The answer; asks again while a killed part is being started (503)."""
        async with asyncio.timeout(START_S):
            while True:
                async with self.client.request(
                    method, self.system.url + path, json=body, headers=headers
                ) as answer:
                    if answer.status != 503:
                        assert answer.status < 300, await answer.text()
                        return await answer.json()
                await asyncio.sleep(0.1)

    async def operate(self, method: str, path: str, body: Any = None) -> Any:
        """A call of an operator."""
        return await self.ask(method, path, body, **self._operator)

    async def admin(self, method: str, path: str, body: Any = None) -> Any:
        return await self.operate(method, f"/v1/admin/{path}", body)

    async def open_drop(self, allotted: int, buyer_limit: int = 3, hold_ms: int = 600_000) -> str:
        """A drop that sells at once."""
        now_ms = time.time_ns() // 1_000_000
        times = {"opens_ms": now_ms - 1_000, "closes_ms": now_ms + 3_600_000}
        sku = await self.admin("POST", "skus", {"title": "Shoes", "price_fen": 9_900})
        campaign = await self.admin("POST", "campaigns", {"title": "11.11", **times})
        drop = await self.admin(
            "POST",
            "drops",
            {
                "campaign_id": campaign["campaign_id"],
                "sku_id": sku["sku_id"],
                "price_fen": 9_900,
                "allotted": allotted,
                "buyer_limit": buyer_limit,
                "hold_ms": hold_ms,
            },
        )
        await self.admin("POST", f"drops/{drop['drop_id']}/open")
        return str(drop["drop_id"])

    async def open_room(self, allotted: int) -> tuple[str, str]:
        """A live room, and a draft that belongs to it: their ids."""
        new = {"title": "Shoes tonight", "host": "host", "starts_ms": FAR_MS}
        room_id = (await self.operate("POST", "/v1/rooms", new))["room_id"]
        await self.operate("POST", f"/v1/rooms/{room_id}/start")
        sku = await self.admin("POST", "skus", {"title": "Shoes", "price_fen": 9_900})
        times = {"opens_ms": 0, "closes_ms": FAR_MS}
        campaign = await self.admin("POST", "campaigns", {"title": "11.11", **times})
        terms = {"price_fen": 9_900, "allotted": allotted, "buyer_limit": 1, "hold_ms": 600_000}
        ids = {"campaign_id": campaign["campaign_id"], "sku_id": sku["sku_id"]}
        drop_id = (await self.admin("POST", "drops", {**ids, **terms}))["drop_id"]
        await self.operate("PUT", f"/v1/rooms/{room_id}/drops/{drop_id}")
        return room_id, drop_id

    async def books(self, drop_id: str) -> Any:
        return await self.admin("GET", f"drops/{drop_id}/books")

    async def settle(self, drop_id: str) -> Any:
        """The books, once SQL holds the whole log."""
        async with asyncio.timeout(30):
            while True:
                books = await self.books(drop_id)
                if books["ok"] and books["lag_entries"] == 0:
                    return books
                await asyncio.sleep(0.1)


@asynccontextmanager
async def open_shop(
    folder: Path, *, migrate: bool = False, **environment: str
) -> AsyncIterator[Shop]:
    """A system that is ready, until the end of the block. `migrate`: its database has no tables."""
    system = System(folder, **environment)
    if migrate:
        system.command("migrate")
    system.start()
    try:
        await system.wait_until_ready()
        async with aiohttp.ClientSession() as client:
            yield Shop(system, client)
    finally:
        system.stop()


class Count:
    """Counts up and wakes whoever waits for a number."""

    def __init__(self) -> None:
        self._value = 0
        self._changed = asyncio.Condition()

    async def add_one(self) -> None:
        async with self._changed:
            self._value += 1
            self._changed.notify_all()

    async def wait_for(self, value: int) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._value >= value)


class Buyer:
    """Asks with one key until there is a final answer, through 503s and cut connections."""

    def __init__(self, shop: Shop, token: str, quantity: int, answered: Count) -> None:
        self.shop = shop
        self.answered = answered
        self.quantity = quantity
        self.headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "once"}
        self.status = 0
        self.answers: list[dict[str, Any]] = []  # every 200 and 201

    async def buy(self, drop_id: str) -> None:
        url = f"{self.shop.system.url}/v1/drops/{drop_id}/reservations"
        body = {"quantity": self.quantity}
        while self.status not in FINAL:
            try:
                async with self.shop.client.post(url, json=body, headers=self.headers) as answer:
                    self.status = answer.status
                    if answer.status in (200, 201):
                        self.answers.append(await answer.json())
                        await self.answered.add_one()
                    elif answer.status >= 500:
                        assert answer.headers["Retry-After"]
            except (aiohttp.ClientError, json.JSONDecodeError):
                self.status = 0
            if self.status not in FINAL:
                await asyncio.sleep(0.05)

    @property
    def rids(self) -> set[str]:
        return {answer["reservation_id"] for answer in self.answers}
