"""`python -m benchmarks.console`: what an open console costs, and how smoothly its cockpit runs.

50 drops sell and 20 rooms are live. One API worker has a core of its own; stores, keeper, writer
and the buyers have the other one. Rounds without a console, with one, and with ten alternate: the
difference is what the worker spends. Then Chromium shows the cockpit on a CPU that is throttled
four times, and counts its frames. At last writer, keeper and Redis are killed, each in turn: how
long until the cockpit and the go/no-go list are red?
"""

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Any

import aiohttp
from msgspec import Struct
from playwright.sync_api import sync_playwright
from rich.console import Console

from benchmarks import machine, page
from benchmarks.machine import LOAD_CORE, SERVER_CORE, cpu_s, load_now, pinned
from benchmarks.operator import Operator
from benchmarks.processes import Server, helper, server
from livesale.settings import Settings, as_environment, load_settings
from livesale.tokens.signing import TokenSigner
from scripts.chromium import chromium
from stock.connection import connect
from stock.gateway import RedisEngine
from stock.ids import random_rid
from stock.keyspace import Keyspace
from stock.model import Attempt
from tests.ports import free_port
from tests.servers import MariaDB, Valkey

DROPS, ROOMS, UNITS = 50, 20, 100_000
PER_S = 50  # reservations: each second every drop has another number
MANY = 10  # consoles at once
THROTTLE = 4
WATCHER = "olga"
MOST_PERCENT, LEAST_FPS, MOST_RED_S = 1.0, 30.0, 2.0
NICE = 10
RED_WAIT_S = 30.0
LIGHTS = {"writer": "writer", "keeper": "keeper", "Redis": "stores"}
CHECKS = {"writer": "writer", "keeper": "keeper", "Redis": "redis"}
SETTLE_S = 3.0

_FRAMES = """(seconds) => new Promise(done => {
    const times = [], ends = performance.now() + seconds * 1000
    const step = (at) => { times.push(at); at < ends ? requestAnimationFrame(step) : done(times) }
    requestAnimationFrame(step)
})"""


class Evening:
    """A service on which all of it is on."""

    def __init__(self, settings: Settings, worker: Server, valkey: Valkey) -> None:
        self.worker = worker
        self.settings = settings
        self.operator = Operator(worker.url, settings)
        self.token = TokenSigner.from_settings(settings).operator("boss")
        self.valkey = valkey
        self.pids: dict[str, int] = {}
        self.drops: list[str] = []

    def begin(self) -> None:
        self.operator.call("POST", "/v1/admin/operators", {"name": WATCHER, "roles": ["owner"]})
        rooms = [self.operator.open_room() for _ in range(ROOMS)]
        for number in range(DROPS):
            if number % 2:
                self.drops.append(self.operator.open_drop(UNITS))
            else:
                room_id = rooms[number // 2 % ROOMS]
                drop_id = self.operator.draft_in(room_id, UNITS)
                self.operator.open_in(room_id, drop_id, 0)
                self.drops.append(drop_id)

    @contextmanager
    def selling(self) -> Iterator[None]:
        """Buyers reserve past the worker: its CPU is that of the consoles."""
        stop = threading.Event()
        thread = threading.Thread(target=lambda: asyncio.run(self._sell(stop)))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    async def _sell(self, stop: threading.Event) -> None:
        keyspace, chance = Keyspace(self.settings.stock.partitions), random.Random(1)
        redis = connect(self.valkey.url)
        try:
            engine = RedisEngine(redis, keyspace, dict.fromkeys(range(keyspace.partitions), 1))
            while not stop.is_set():
                drop_id = chance.choice(self.drops)
                await engine.reserve(drop_id, [Attempt(random_rid(drop_id), f"b{chance.random()}")])
                await asyncio.sleep(1 / PER_S)
        finally:
            await redis.aclose()

    def percent(self, consoles: int, seconds: float) -> float:
        """The share of a core that the worker takes with so many consoles."""
        return asyncio.run(self._percent(consoles, seconds))

    async def _percent(self, consoles: int, seconds: float) -> float:
        async with aiohttp.ClientSession() as http:
            opened = [await self.console(http) for _ in range(consoles)]
            reading = [asyncio.create_task(_read(socket)) for socket in opened]
            await asyncio.sleep(SETTLE_S)
            before_s, began_s = cpu_s(self.worker.pid), time.monotonic()
            await asyncio.sleep(seconds)
            used_s, took_s = cpu_s(self.worker.pid) - before_s, time.monotonic() - began_s
            for socket in opened:
                await socket.close()
            heard = await asyncio.gather(*reading)
        if any(count < seconds for count in heard):
            raise RuntimeError(f"a console heard too little: {heard}")
        return 100 * used_s / took_s

    async def console(self, http: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
        """A console with a session of its own, as a browser has it."""
        url = self.worker.url
        login = {"link": await asyncio.to_thread(self._new_link)}
        async with http.post(f"{url}/v1/operator/session", json=login) as answer:
            answer.raise_for_status()
            cookie = answer.headers["Set-Cookie"].partition(";")[0]
        return await http.ws_connect(f"{url}/v1/admin/cockpit/socket", headers={"Cookie": cookie})

    def _new_link(self) -> str:
        return str(self.operator.call("POST", f"/v1/admin/operators/{WATCHER}/link", {})["link"])

    def link(self) -> str:
        """Opens the console once."""
        return f"{self.worker.url}/console#login={self._new_link()}"


async def _read(socket: aiohttp.ClientWebSocketResponse) -> int:
    return len([message async for message in socket])


class Frames:
    """When frames were painted, in ms."""

    def __init__(self, times: Sequence[float]) -> None:
        gaps = sorted(after - before for before, after in pairwise(times))
        self.mean = 1_000 * len(gaps) / (times[-1] - times[0])
        self.longest_ms = gaps[-1]
        self.p99_ms = gaps[int(len(gaps) * 0.99)]
        whole = int((times[-1] - times[0]) / 1_000)
        seconds = [0] * whole
        for at in times[1:]:
            second = int((at - times[0]) / 1_000)
            if second < whole:
                seconds[second] += 1
        self.worst = min(seconds)


def look(evening: Evening, seconds: float) -> Frames:
    """The frames of the cockpit while everything on it moves."""
    with sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        tab = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        tab.goto(evening.link())
        tab.locator(".drop").nth(DROPS - 1).wait_for()
        devtools = tab.context.new_cdp_session(tab)
        devtools.send("Emulation.setCPUThrottlingRate", {"rate": THROTTLE})
        before: Any = tab.locator(".drop-left b").all_inner_texts()
        times = tab.evaluate(_FRAMES, seconds)
        if tab.locator(".drop-left b").all_inner_texts() == before:
            raise RuntimeError("no figure has moved")
        browser.close()
    return Frames(times)


class RedAfter(Struct, frozen=True):
    """Seconds from the kill."""

    cockpit_s: float
    list_s: float


async def red_after(evening: Evening, role: str) -> RedAfter:
    """Kill a process, and watch until both are red. Raises TimeoutError."""
    url = f"{evening.worker.url}/v1/admin/launch"
    headers = {"Authorization": f"Bearer {evening.token}"}
    async with asyncio.timeout(RED_WAIT_S), aiohttp.ClientSession(headers=headers) as http:
        socket = await evening.console(http)
        await _until_list(http, url, role, is_red=False)
        await _until_red(socket, role, is_red=False)
        os.kill(evening.pids[role], signal.SIGKILL)
        began_s = time.monotonic()

        async def cockpit() -> float:
            await _until_red(socket, role, is_red=True)
            return time.monotonic() - began_s

        async def launch_list() -> float:
            await _until_list(http, url, role, is_red=True)
            return time.monotonic() - began_s

        found = await asyncio.gather(cockpit(), launch_list())
        await socket.close()
    return RedAfter(*found)


async def _until_list(http: aiohttp.ClientSession, url: str, role: str, *, is_red: bool) -> None:
    while True:
        async with http.get(url) as answer:
            lights = (await answer.json())["lights"]
        if any(one["level"] == "no_go" for one in lights if one["name"] == LIGHTS[role]) is is_red:
            return
        await asyncio.sleep(0.05)


async def _until_red(socket: aiohttp.ClientWebSocketResponse, role: str, *, is_red: bool) -> None:
    async for message in socket:
        checks = json.loads(message.data).get("stores", {}).get("checks", {})
        if checks and checks[CHECKS[role]]["ok"] is not is_red:
            return
    raise RuntimeError("the socket was closed")


@contextmanager
def opened(folder: Path) -> Iterator[Evening]:
    """The service as in production, on MariaDB; it stops with the block."""
    with ExitStack() as stack:
        valkey, mariadb = Valkey(), MariaDB()
        with pinned(LOAD_CORE):
            for store in (valkey, mariadb):
                stack.callback(store.remove)
                store.start()
        settings = load_settings(
            data_dir=folder / "data",
            redis__url=valkey.url,
            sql__url=mariadb.database(),
            http__port=free_port(),
            live__heartbeat_ms=3_600_000,  # nobody hosts
            limits__address_per_s=1e6,
            limits__address_burst=1_000_000,
            log__format="json",
        )
        env = as_environment(settings)
        command = [sys.executable, "-m", "livesale", "migrate"]
        subprocess.run(command, env=env | _path(), check=True, capture_output=True)  # noqa: S603
        arguments = ("api-worker", "--index", "0")
        worker = stack.enter_context(
            server("livesale", *arguments, port=settings.http.port, env=env)
        )
        worker.wait()
        evening = Evening(settings, worker, valkey)
        for role in ("keeper", "writer"):
            evening.pids[role] = stack.enter_context(helper(role, settings, nice=NICE))
        evening.pids["Redis"] = valkey.pid
        evening.begin()
        yield evening


def _path() -> dict[str, str]:
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


def measure(
    rounds: int, seconds: float
) -> tuple[dict[int, list[float]], Frames, dict[str, RedAfter]]:
    percents: dict[int, list[float]] = {0: [], 1: [], MANY: []}
    with (
        tempfile.TemporaryDirectory(prefix="livesale-") as name,
        opened(Path(name)) as evening,
    ):
        with evening.selling():
            with pinned(LOAD_CORE):
                for number in range(rounds):
                    for consoles, found in percents.items():
                        found.append(evening.percent(consoles, seconds))
                    print(f"round {number + 1} of {rounds}", file=sys.stderr)
            with pinned(LOAD_CORE, SERVER_CORE):
                frames = look(evening, seconds)
        # Redis at last: nothing sells without it
        reds = {
            role: asyncio.run(red_after(evening, role)) for role in ("writer", "keeper", "Redis")
        }
    return percents, frames, reds


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 1 with --strict if a demand was not met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.console", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    parser.add_argument("--strict", action="store_true", help="exit 1 if a demand was not met")
    options = parser.parse_args(arguments)
    before = load_now()
    percents, frames, reds = measure(options.rounds, options.seconds)
    nobody = mean(percents[0])
    one, many = mean(percents[1]) - nobody, (mean(percents[MANY]) - nobody) / MANY
    here = machine.describe()
    said = (
        f"{here.cores} cores of {here.cpu}, {here.system}; Python {here.python}, Valkey "
        f"{here.valkey}, MariaDB {here.mariadb}; {DROPS} drops and {ROOMS} rooms, {PER_S} "
        f"reservations a second; {options.rounds} rounds of {options.seconds:g} s; load average "
        f"{before:.1f} → {load_now():.1f}."
    )
    lines = [
        "| figure | | demand |",
        "|---|--:|--:|",
        f"| the worker without a console | {nobody:.2f} % of a core | |",
        f"| one console more | {one:.2f} % of a core | < {MOST_PERCENT:g} % |",
        f"| each of {MANY} consoles | {many:.2f} % of a core | < {MOST_PERCENT:g} % |",
        f"| frames of the cockpit on a CPU throttled {THROTTLE} × | {frames.mean:.0f} a second | "
        f"> {LEAST_FPS:g} |",
        f"| the worst second | {frames.worst} frames | |",
        f"| 99 of 100 frames within | {frames.p99_ms:.0f} ms | |",
        f"| the longest frame | {frames.longest_ms:.0f} ms | |",
        *(
            f"| {role} killed: red in the cockpit, on the go/no-go list | {red.cockpit_s:.1f} s, "
            f"{red.list_s:.1f} s | < {MOST_RED_S:g} s |"
            for role, red in reds.items()
        ),
    ]
    text = f"{said}\n\n" + "\n".join(lines)
    Console(width=120).print(text)
    if options.write:
        page.put(page.DOCS, {}, [("console", text)])
    slowest_s = max(max(red.cockpit_s, red.list_s) for red in reds.values())
    is_met = max(one, many) < MOST_PERCENT and frames.mean > LEAST_FPS and slowest_s < MOST_RED_S
    return int(options.strict and not is_met)


if __name__ == "__main__":
    sys.exit(main())
