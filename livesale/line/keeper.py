"""Opens lines, ends their gathering on time, draws, and gives turns or holds units for people.

Any number of keepers may run: each step is a compare-and-set in Redis.
"""

import asyncio
import time

from prometheus_client import CollectorRegistry, Counter, Gauge

from livesale.database.session import session
from livesale.ledger.line_plan import DRAFT
from livesale.ledger.states import OPENING
from livesale.line import store
from livesale.line.line_draws import LineDraws
from livesale.line.places import place_rid
from livesale.line.purchases import Purchases
from livesale.line.store import LIVE, DueLine
from livesale.line.watch import share
from livesale.resources import Deployment
from livesale.tasks import Tasks, note_fault
from livesale.tasks.clock_steps import ClockWatch
from stock.line.model import (
    LineMode,
    LineOpenCode,
    LineSnapshot,
    LineState,
    NextInLine,
    ServeCode,
)
from stock.model import DropState

LOOK_S = 1.0  # between two looks at SQL
STEP_S = 0.25  # between two steps of lines that are open
TELL_MS = 1_000  # between two counts of what became of turns
MAX_LINES = 200
PASSED = 32  # people who are asked for besides, because some have left
_ON_SALE = (OPENING, DropState.OPEN, DropState.PAUSED)
_NEVER = (LineOpenCode.TOO_LATE, LineOpenCode.CLOSED, LineOpenCode.NO_TICKETS)


class LineMetrics:
    """Metrics of the keeper of lines."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.lines = Gauge(
            "livesale_lines", "Lines that have not ended, by state", ["state"], registry=registry
        )
        self.turns = Counter(
            "livesale_line_turns_total", "People whose turn has begun", registry=registry
        )
        self.holds = Counter(
            "livesale_line_holds_total",
            "Units held for people in draws and waitlists",
            registry=registry,
        )
        self.faults = Counter(
            "livesale_line_faults_total",
            "Steps of lines that failed and are retried",
            registry=registry,
        )


class LineKeeper:
    """Call `run`; it ends when `stop` is set."""

    def __init__(self, deployment: Deployment, registry: CollectorRegistry | None = None) -> None:
        self._deployment = deployment
        self._engine = deployment.engine
        self._clock = ClockWatch(deployment.engine)
        self._draws = LineDraws(deployment)
        self._metrics = LineMetrics(registry or CollectorRegistry())
        self._due: list[DueLine] = []
        self._looked_s = 0.0
        self._following: dict[str, Purchases] = {}

    async def run(self, stop: asyncio.Event) -> None:
        async with Tasks(stop) as tasks:
            tasks.repeat("lines", self.step)

    async def step(self) -> float:
        """One step of every line; seconds until the next."""
        try:
            return await self.look()
        except Exception:
            self._metrics.faults.inc()
            raise

    async def look(self) -> float:
        if time.monotonic() - self._looked_s >= LOOK_S:
            await self._find()
        if not self._due:
            return LOOK_S
        look = await self._clock.look()
        wait_s = LOOK_S
        for due in self._due:
            try:
                wait_s = min(wait_s, await self._advance(due, look.now_ms, look.doubted))
            except Exception as fault:  # continue with the other lines
                self._metrics.faults.inc()
                note_fault("line", fault, about=due.line.drop_id)
        return wait_s

    async def _find(self) -> None:
        async with session(self._deployment.sql) as connection:
            self._due = await store.due_lines(connection, MAX_LINES)
        self._looked_s = time.monotonic()
        for state in LIVE:
            count = sum(due.line.state == state for due in self._due)
            self._metrics.lines.labels(state).set(count)
        names = {due.line.drop_id for due in self._due}
        self._following = {name: one for name, one in self._following.items() if name in names}

    async def _advance(self, due: DueLine, now_ms: int, doubted: bool) -> float:
        """The next step of a line; seconds until the one after it."""
        drop_id = due.line.drop_id
        if due.line.state == DRAFT and not await self._open(due):
            return LOOK_S
        following = self._following.get(drop_id)
        line = await self._engine.line.snapshot(drop_id, following.after if following else -1)
        if line is None:
            return LOOK_S
        if line.state is LineState.GATHERING:
            return await self._gather(due, line, now_ms, doubted)
        if line.state is LineState.VOID:
            return LOOK_S
        if line.state is LineState.GONE:
            await self._engine.line.serve(drop_id, line.serving, 0, 1_000)  # units may be back
            return LOOK_S
        if line.terms.mode is not LineMode.TURNS:
            return STEP_S if await self._hold(due, line) else 0.0
        await self._serve(due, line)
        return STEP_S

    async def _open(self, due: DueLine) -> bool:
        """Open the line of a drop that an operator has opened meanwhile."""
        drop_id, code = due.line.drop_id, LineOpenCode.CLOSED
        if due.drop_state in _ON_SALE:
            code = await self._engine.line.open(drop_id, due.line.terms)
        elif due.drop_state != DropState.CLOSED:
            return False
        if code in _NEVER:
            async with session(self._deployment.sql, write=True) as connection:
                await store.void_draft(connection, drop_id, await self._engine.now_ms())
            self._looked_s = 0.0
        return code in (LineOpenCode.OPENED, LineOpenCode.REPLAYED)

    async def _gather(self, due: DueLine, line: LineSnapshot, now_ms: int, doubted: bool) -> float:
        drop_id = due.line.drop_id
        if line.drop_state is DropState.CLOSED or now_ms >= line.closes_ms:
            await self._engine.line.serve(drop_id, 0, 0, 1_000)  # it finds that nothing is on sale
            return LOOK_S
        if now_ms < line.opens_ms:
            return min(LOOK_S, (line.opens_ms - now_ms + 1) / 1_000)
        if not doubted:  # an early opening could not be undone
            await self._engine.line.close(drop_id, due.line.seed)
        return STEP_S

    async def _hold(self, due: DueLine, line: LineSnapshot) -> bool:
        """Hold units for the next people; whether all that can be done now is done."""
        drop_id, serving, early = due.line.drop_id, line.serving, line.n0 or 0
        people: list[NextInLine] = []
        if line.available and serving < line.n:
            if line.terms.mode is LineMode.DRAW and not await self._draws.make(drop_id):
                return True  # the writer has not written the opening yet
            # Some are passed over, so as many more.
            most = min(line.available + PASSED, line.n - serving)
            people = [
                NextInLine(place_rid(drop_id, buyer_id, place), buyer_id, place)
                for buyer_id, place in await self._draws.next_in(
                    drop_id, serving, most, early=early
                )
            ]
        outcome = await self._engine.line.hold(drop_id, serving, people)
        self._metrics.holds.inc(len(outcome.rids))
        is_served = outcome.code is ServeCode.SERVED
        return not (is_served and outcome.serving < line.n and len(outcome.rids) < line.available)

    async def _serve(self, due: DueLine, line: LineSnapshot) -> None:
        drop_id = due.line.drop_id
        following = self._following.get(drop_id)
        if following is None:
            following = self._following[drop_id] = Purchases(self._deployment, due)
        if not await following.follow(line) or following.admission.serving != line.serving:
            del self._following[drop_id]  # the next step reads it from the beginning
            return
        await self._tell(line, following)
        advice = following.admission.advise(line.available, line.now_ms)
        outcome = await self._engine.line.serve(
            drop_id, line.serving, advice.promised, advice.per_mille
        )
        if outcome.code is ServeCode.SERVED:
            self._metrics.turns.inc(outcome.serving - line.serving)
        elif outcome.code is ServeCode.GONE:  # the last count stays
            last = await self._engine.line.snapshot(drop_id, following.after)
            if last is not None and await following.follow(last):
                following.told_ms = 0
                await self._tell(last, following)

    async def _tell(self, line: LineSnapshot, following: Purchases) -> None:
        """Operators see who came and who did not, as of now."""
        drop_id = line.drop_id
        if line.serving and line.now_ms - following.told_ms >= TELL_MS:
            following.told_ms = line.now_ms
            tally = following.admission.tally(line.now_ms)
            await share(self._deployment.redis, self._deployment.keyspace, drop_id, tally)
