"""Plays a schedule against the system under load: faults, then healing, then it must recover."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack

from msgspec import Struct

from livesale.settings import load_settings
from livesale.tokens.signing import TokenSigner
from loadtests.checks import Finding, shorten
from stock.connection import connect
from stock.gateway import RedisEngine
from tests.faults import checker
from tests.faults.bank import Bank, EngineIntake, find_intake
from tests.faults.ending import clear_quarantine, read_outcome
from tests.faults.faults import Fault, Missed
from tests.faults.history import Outcome
from tests.faults.lines import Lines
from tests.faults.lines import judge as judge_lines
from tests.faults.load import Load
from tests.faults.operators import Operators
from tests.faults.schedule import Round, Strike
from tests.faults.shop import Shop, now_ms
from tests.faults.system import PARTITIONS, FaultySystem
from tests.faults.world import World

CALM_RATE = 300.0
AUDIT_RATE = 50.0  # it is exact while the shop sells; it only takes longer
CALM_S = 3.0  # of sales without faults after each recovery
HEAL_S = 60.0
FIRST_SALE_S = 60.0


class Recovery(Struct):
    """Seconds from the healing of the last fault until it was so."""

    first_sale_s: float = 0.0
    ready_s: float = 0.0  # the service says so, and SQL holds the whole log


class Result(Struct):
    """What came of a run."""

    seed: int
    took_s: float
    faults: dict[str, int]
    missed: int  # faults whose victim was down already
    kills: dict[str, int]
    answers: dict[str, int]
    claims: int
    acknowledged: int
    orders: int
    unknown_landed: int
    unknown_not: int
    payments: int
    refunds: int
    drops: int
    lines: int
    busy_s: float
    recoveries: list[Recovery]
    findings: list[Finding]
    audit: list[str]  # what the service's own audit found broken

    @property
    def violations(self) -> int:
        return sum(len(finding.wrong) for finding in self.findings) + len(self.audit)


Say = Callable[[str], None]


class Play:
    """One run on one system."""

    def __init__(
        self,
        system: FaultySystem,
        faults: Mapping[str, type[Fault]],
        seed: int,
        say: Say = lambda what: None,
        rate: float = 700.0,
        calm_rate: float = CALM_RATE,
    ) -> None:
        self.system = system
        self.world = World()
        self.seed = seed
        self.active: set[str] = set()  # what is broken now
        self._parts: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.recoveries: list[Recovery] = []
        self.audit: list[str] = []
        self._faults = faults
        self._say = say
        self._rate, self._calm_rate = rate, calm_rate
        self._busy_s = 0.0
        self._began = time.monotonic()
        redis = connect(f"unix://{system.proxy.address}", connections=8, timeout_s=1.5)
        self._bank_redis = redis
        self._engine = RedisEngine(redis, system.keyspace, dict.fromkeys(range(PARTITIONS), 1))
        self.shop = Shop(system.livesale.port, TokenSigner.from_settings(load_settings()))
        self.bank = Bank(EngineIntake(self._engine), self.world.history)
        self.operators = Operators(self.shop, self.world.history, seed)
        self.load = Load(self.shop, self.operators, self.bank, self.world, seed)
        self.lines = Lines(self.shop, self.operators, self.bank, self.world, seed)

    async def run(self, rounds: Sequence[Round]) -> Result:
        """All rounds, then the verdict."""
        self.bank.intake = await find_intake(self.shop, self._engine)
        operating = asyncio.create_task(self.operators.work())
        buying = asyncio.create_task(self.load.work())
        waiting = asyncio.create_task(self.lines.work())
        try:
            for number, one in enumerate(rounds, 1):
                self._say(f"round {number} of {len(rounds)}: {len(one.strikes)} faults")
                self.load.rate = self._rate
                began = time.monotonic()
                await self._break(one)
                self._busy_s += time.monotonic() - began
                await self._recover()
                if number < len(rounds):
                    await self._audit()
            for task in (operating, buying, waiting):
                if task.done():
                    await task
        finally:
            for task in (operating, buying, waiting):
                task.cancel()
            await asyncio.gather(buying, operating, waiting, return_exceptions=True)
        self._say("the last buyers leave")
        await self.operators.finish()
        await self.load.finish()
        await self.lines.finish()
        await self.system.wait_until_ready()
        await self._audit()
        self._say("holding the histories against the books")
        outcome = await read_outcome(self.system, self.world.history.drops)
        in_line = await judge_lines(self.system, self.lines.queues)
        await self.close()
        return self._result(outcome, in_line)

    async def close(self) -> None:
        """Close the connections of buyers, operator and bank."""
        self.shop.close()
        await self._bank_redis.aclose()

    async def _break(self, one: Round) -> None:
        began = time.monotonic()
        striking: list[asyncio.Task[None]] = []
        for strike in one.strikes:
            await asyncio.sleep(max(0.0, began + strike.at_s - time.monotonic()))
            striking.append(asyncio.create_task(self._strike(strike)))
        await asyncio.sleep(max(0.0, began + one.lasts_s - time.monotonic()))
        await asyncio.gather(*striking)

    async def _strike(self, strike: Strike) -> None:
        name = strike.kind.name
        fault = self._faults[name](self.system, self.world, strike)
        async with AsyncExitStack() as parts:
            # A part that takes long to come back breaks again only when it is back.
            for part in sorted(strike.kind.needs):
                await parts.enter_async_context(self._parts[part])
            self._say(f"{name}, for {strike.lasts_s:.1f} s")
            self.active.add(name)
            try:
                await fault.start()
                self.world.faults[name] += 1
                await asyncio.sleep(strike.lasts_s)
            except Missed:
                self.world.missed[name] += 1
                return
            finally:
                self.active.discard(name)
                async with asyncio.timeout(HEAL_S):
                    if not strike.kind.kills:
                        await self._revive(strike.kind.needs)
                    await fault.heal()

    async def _revive(self, parts: Sequence[str] = ("valkey", "mariadb")) -> None:
        """Start a store again that ended although nobody here killed it, and say so."""
        servers = {"valkey": self.system.valkey, "mariadb": self.system.mariadb}
        for part in parts:
            server = servers.get(part)
            if server is None or server.process is None or server.process.poll() is None:
                continue
            code = server.process.poll()
            self.world.trouble.append(f"{part} ended by itself, or by others: exit code {code}")
            await self.system.restart(server)

    async def _recover(self) -> None:
        """With everything healed: the first sale, and SQL with the whole log, each in time."""
        await self._revive()
        healed_ms, healed = now_ms(), time.monotonic()
        recovery = Recovery()
        self.load.rate = self._calm_rate
        async with asyncio.timeout(FIRST_SALE_S):
            await self.load.sale_after(healed_ms)
        recovery.first_sale_s = round((self.load.last_sale_ms - healed_ms) / 1000, 3)
        await self.system.wait_until_ready()
        recovery.ready_s = round(time.monotonic() - healed, 3)
        self.recoveries.append(recovery)
        self._say(
            f"healed: first sale after {recovery.first_sale_s:.2f} s, "
            f"SQL whole after {recovery.ready_s:.2f} s"
        )
        await asyncio.sleep(CALM_S)

    async def _audit(self) -> None:
        """The service's own audit; our poison is taken out of the quarantine first."""
        self.audit += await clear_quarantine(self.system, self.world.poisoned)
        self.world.poisoned.clear()
        self.load.rate = AUDIT_RATE
        self.audit += await self.system.audit()

    def _result(self, outcome: Outcome, in_line: list[Finding]) -> Result:
        world = self.world
        findings = checker.judge(world.history, outcome) + in_line
        trouble = world.trouble + self.operators.trouble + self.bank.trouble
        findings.append(Finding("nothing odd was seen on the way", shorten(trouble)))
        landed, not_landed = checker.resolved(world.history, outcome)
        return Result(
            seed=self.seed,
            took_s=round(time.monotonic() - self._began, 1),
            faults=dict(world.faults.most_common()),
            missed=sum(world.missed.values()),
            kills={name: count for name, count in world.kills.most_common() if count},
            answers=dict(self.load.answers.most_common()),
            claims=len(world.history.claims),
            acknowledged=self.load.acknowledged,
            orders=len(outcome.orders),
            unknown_landed=landed,
            unknown_not=not_landed,
            payments=len(world.history.payments),
            refunds=len(outcome.refunds),
            drops=len(world.history.drops),
            lines=len(self.lines.queues),
            busy_s=round(self._busy_s, 1),
            recoveries=self.recoveries,
            findings=findings,
            audit=self.audit,
        )
