"""The demo, from an empty folder to the audit. It plays a Scenario: a sale or a show."""

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
CONNECTIONS = 256  # keep-alive connections, shared by all people
PATIENCE_S = 30.0  # the longest wait for an expected state
OFFICE_S = 60.0  # timeout for operators: a slow machine needs time
CATCH_UP_S = 15.0
OPERATOR = "demo"


class DemoFailed(LivesaleError):
    """The demo could not run."""


class Result(Struct, frozen=True):
    """The result of the demo."""

    ok: bool
    figures: Figures
    checks: list[Finding]
    audit: list[Check]


class House:
    """The shared state of all participants: the system, its clients and the scene."""

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
        self.office = PoolLine(
            self._pools[1], OFFICE_S
        )  # its own connections: the operator does not wait for the crowd

    def close(self) -> None:
        for pool in self._pools:
            pool.close()

    async def until(self, seen: Callable[[], object], seconds: float = PATIENCE_S) -> None:
        """Poll until `seen`, or until the time is over: a check reports what is missing."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not seen():  # noqa: ASYNC110  samplers write it without a signal
                    await asyncio.sleep(SAMPLE_S)


class CountedLine(PoolLine):
    """Counts latency from the request's start, so it includes the wait for a connection."""

    def __init__(self, pool: Pool, scene: Scene) -> None:
        super().__init__(pool)
        self._scene = scene

    async def carry(self, request: Request) -> Answer:
        wanted = time.perf_counter_ns()
        answer = await super().carry(request)
        self._scene.hear(request.name, answer, (time.perf_counter_ns() - wanted) // 1000)
        return answer


class Customer(Buyer):
    """A buyer of `loadtests` who pays at the demo's bank."""

    bank: Bank

    async def pay(self, held: Held) -> None:
        self.bank.take(held)


class Scenario(ABC):
    """The story of a demo. `drop_id` is the drop for sale, after `prepare`."""

    drop_id = ""

    def __init__(self, house: House) -> None:
        self.house = house
        self.scene = house.scene

    @abstractmethod
    async def prepare(self) -> None:
        """Create the drop and everything else it needs."""

    def works(self) -> list[Coroutine[Any, Any, None]]:
        """Background work during the story."""
        return []

    @abstractmethod
    async def perform(self) -> None:
        """Play until the last purchase."""

    async def leave(self) -> None:  # noqa: B027  a sale has nothing more to do
        """Play the end, after the last hold has ended."""

    async def findings(self) -> list[Finding]:
        """The scenario's own checks."""
        return []

    def figures(self, figures: Figures) -> Figures:
        """Add the scenario's own figures."""
        return figures


async def play(settings: Settings, scene: Scene, scenario: Callable[[House], Scenario]) -> Result:
    """Run the demo and check it. Keeps `scene` up to date for the view.

    Raises Refused, StartFailed or DemoFailed if it cannot run.
    """
    began_s = time.monotonic()
    workers = counted(scene.options.workers, "API worker")
    scene.phase = f"starting {workers}, writer and keeper"
    async with set_stage(settings) as (deployment, url):
        scene.url, scene.page = url, f"{url}/shop"
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
    scene.tell(f"watch it in a browser: {scene.page}")
    watch = Watch(deployment, scenario.drop_id, scene)
    async with beside(*watch.works(), *house.bank.works(), *scenario.works()):
        await scenario.perform()
        await house.bank.settle()
        await house.until(lambda: not scene.stand.held, HOLD_S + 5.0)
        await scenario.leave()
        scene.tell("the crowd has left")
        behind = await wait_until_caught_up(deployment, CATCH_UP_S)
        scene.tell("SQL is BEHIND the log" if behind else "SQL holds the whole log")
        await asyncio.sleep(SQL_SAMPLE_S + 0.1)  # so that the view shows it
    scene.over, scene.phase = True, "auditing"
    interview = Interview(house.office, house.operator_token, house.time)
    said = await interview.ask(scene.history.drops, CATCH_UP_S)
    checks = [*findings_of(scene, said), *await scenario.findings()]
    found = await audit(deployment, settle_s=CATCH_UP_S)
    took_s = time.monotonic() - began_s
    ok = all(check.ok for check in checks) and all(check.ok for check in found)
    return Result(ok, scenario.figures(figures_of(scene, said, took_s)), checks, found)
