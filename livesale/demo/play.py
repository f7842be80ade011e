"""The demo, from an empty folder to the audit. What is played, a sale or a show, is a Scenario."""

import asyncio
import contextlib
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any

from msgspec import Struct

from livesale.demo.bank import Bank
from livesale.demo.beside import beside
from livesale.demo.scene import Scene
from livesale.demo.stage import set_stage
from livesale.demo.verdict import Figures, figures_of, findings_of
from livesale.demo.watch import SAMPLE_S, SQL_SAMPLE_S, Watch
from livesale.errors import LivesaleError
from livesale.ledger.catch_up import wait_until_caught_up
from livesale.operations.audit import Check, audit
from livesale.printing.wording import counted
from livesale.resources import Deployment
from livesale.settings import Settings
from livesale.tokens.signing import TokenSigner
from loadtests.checks import Finding
from loadtests.client import LoopTime, Pool, PoolLine
from loadtests.history import Held
from loadtests.line import Answer, Request
from loadtests.people.buyer import Buyer
from loadtests.sale import SaleRefused
from loadtests.service import Interview
from loadtests.target import parse_target

HOLD_S = 3.0
CONNECTIONS = 256  # keep-alive connections of all people
PATIENCE_S = 30.0  # for what comes by itself
OFFICE_S = 60.0  # a slow machine may take long to answer its operator
CATCH_UP_S = 15.0
OPERATOR = "demo"


class DemoFailed(LivesaleError):
    """The demo could not be played."""


class Result(Struct, frozen=True):
    """What the demo found."""

    ok: bool
    figures: Figures
    checks: list[Finding]
    audit: list[Check]


class House:
    """What all who take part share: the system, how they reach it, and what is known so far."""

    def __init__(self, deployment: Deployment, url: str, scene: Scene) -> None:
        self.deployment = deployment
        self.scene = scene
        self.options = scene.options
        self.target = parse_target(url)
        self.signer = TokenSigner.from_settings(deployment.settings)
        self.operator_token = self.signer.operator(OPERATOR)
        self.chance = random.Random(self.options.seed)
        self.time = LoopTime()
        self.bank = Bank(deployment.engine, scene.history)
        self._pools = [Pool(self.target, size) for size in (CONNECTIONS, 4)]
        self.line = CountedLine(self._pools[0], scene)
        self.office = PoolLine(self._pools[1], OFFICE_S)  # no crowd keeps the operator waiting

    def close(self) -> None:
        for pool in self._pools:
            pool.close()

    async def until(self, seen: Callable[[], object], seconds: float = PATIENCE_S) -> None:
        """Poll, for a bounded time: what never comes is a finding."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not seen():  # noqa: ASYNC110  samplers write it, nothing tells
                    await asyncio.sleep(SAMPLE_S)


class CountedLine(PoolLine):
    """Latency counts from when somebody wants an answer, waiting for a connection included."""

    def __init__(self, pool: Pool, scene: Scene) -> None:
        super().__init__(pool)
        self._scene = scene

    async def carry(self, request: Request) -> Answer:
        wanted = time.perf_counter_ns()
        answer = await super().carry(request)
        self._scene.hear(request.name, answer, (time.perf_counter_ns() - wanted) // 1000)
        return answer


class Customer(Buyer):
    """Somebody of `loadtests` who pays at the demo's bank."""

    bank: Bank

    async def pay(self, held: Held) -> None:
        self.bank.take(held)


class Scenario(ABC):
    """What is played. `drop_id` is what is sold, once it is prepared."""

    drop_id = ""

    def __init__(self, house: House) -> None:
        self.house = house
        self.scene = house.scene

    @abstractmethod
    async def prepare(self) -> None:
        """Make the goods, and whatever else it takes."""

    def works(self) -> list[Coroutine[Any, Any, None]]:
        """What goes on beside the story."""
        return []

    @abstractmethod
    async def perform(self) -> None:
        """Until nobody buys any more."""

    async def leave(self) -> None:  # noqa: B027  a sale has nothing more to do
        """What comes once the last hold has ended."""

    async def findings(self) -> list[Finding]:
        """Its own checks."""
        return []

    def figures(self, figures: Figures) -> Figures:
        """The figures, with its own."""
        return figures


async def play(settings: Settings, scene: Scene, scenario: Callable[[House], Scenario]) -> Result:
    """Run the demo and judge it. Keeps `scene` up to date for who draws it.

    Raises Refused, StartFailed or DemoFailed when it cannot be played.
    """
    began_s = time.monotonic()
    workers = counted(scene.options.workers, "API worker")
    scene.phase = f"starting {workers}, writer and keeper"
    async with set_stage(settings) as (deployment, url):
        scene.url = url
        house = House(deployment, url, scene)
        try:
            result = await _perform(house, scenario(house), began_s)
        except SaleRefused as refused:
            raise DemoFailed(str(refused)) from None
        finally:
            house.close()
        scene.phase = "stopping the processes"
    scene.phase = "all processes have stopped"
    return result


async def _perform(house: House, scenario: Scenario, began_s: float) -> Result:
    deployment, scene = house.deployment, house.scene
    await scenario.prepare()
    watch = Watch(deployment, scenario.drop_id, scene)
    async with beside(*watch.works(), *house.bank.works(), *scenario.works()):
        await scenario.perform()
        await house.bank.settle()
        await house.until(lambda: not scene.stand.held, HOLD_S + 5.0)
        await scenario.leave()
        scene.tell("the crowd has left")
        behind = await wait_until_caught_up(deployment, CATCH_UP_S)
        scene.tell("SQL is BEHIND the log" if behind else "SQL holds the whole log")
        await asyncio.sleep(SQL_SAMPLE_S + 0.1)  # for the view to see it
    scene.over, scene.phase = True, "auditing"
    interview = Interview(house.office, house.operator_token, house.time)
    said = await interview.ask(scene.history.drops, CATCH_UP_S)
    checks = [*findings_of(scene, said), *await scenario.findings()]
    found = await audit(deployment, settle_s=CATCH_UP_S)
    took_s = time.monotonic() - began_s
    ok = all(check.ok for check in checks) and all(check.ok for check in found)
    return Result(ok, scenario.figures(figures_of(scene, said, took_s)), checks, found)
