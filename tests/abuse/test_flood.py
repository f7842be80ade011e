"""Ten times more than can be served: what can be served still is, the rest is told so at once.

Time is counted in steps, not in seconds: in a step Redis answers the calls that are on the wire,
two of twenty attempts each. So the capacity is exact, on a busy machine too.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence

from stock.batcher import MAX_IN_FLIGHT, Batcher
from stock.errors import Overloaded
from stock.ids import random_rid
from stock.model import Attempt, BatchOutcome, DropTerms
from stock.twin import TwinEngine

DROP = "shoes"
BATCH, STEPS, QUEUE = 20, 100, 80
CAPACITY = MAX_IN_FLIGHT * BATCH  # attempts a step


class SteppedEngine(TwinEngine):
    """An engine that answers when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[asyncio.Future[None]] = []

    async def reserve(self, drop_id: str, attempts: Sequence[Attempt]) -> BatchOutcome:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append(turn)
        await turn
        return await super().reserve(drop_id, attempts)

    def step(self) -> None:
        turns, self.waiting = self.waiting, []
        for turn in turns:
            turn.set_result(None)


async def settle() -> None:
    """Let everything run that can run without a step of the engine."""
    for _ in range(8):
        await asyncio.sleep(0)


async def offer(each: int) -> tuple[Counter[str], int]:
    """Offer `each` attempts a step; the answers by kind, and the most that ever waited."""
    engine = SteppedEngine()
    await engine.open_drop(DROP, DropTerms(0, 9 * 10**12, 60_000, 1, 100, 10**6))
    batcher = Batcher(engine, max_queue=QUEUE, deadline_s=60.0, max_batch=BATCH)
    answers: Counter[str] = Counter()
    most = 0

    async def attempt(buyer_id: str) -> None:
        try:
            outcome = await batcher.reserve(DROP, Attempt(random_rid(DROP), buyer_id))
        except Overloaded:
            answers["overloaded"] += 1
        else:
            answers[outcome.code] += 1

    tasks = []
    for step in range(STEPS):
        tasks += [asyncio.create_task(attempt(f"buyer-{step}-{n}")) for n in range(each)]
        await settle()
        most = max(most, batcher.queued)
        engine.step()
        await settle()
    while not all(task.done() for task in tasks):
        engine.step()
        await settle()
    await batcher.drain()
    return answers, most


async def test_goodput_holds_under_ten_times_the_load() -> None:
    # given: under half its capacity it serves all
    calm, _ = await offer(CAPACITY // 2)
    assert calm == {"HELD": CAPACITY // 2 * STEPS}
    # when
    flooded, most = await offer(CAPACITY * 10)
    # then: it serves what it can, and the queue on top; everybody else is told, and the queue ends
    assert CAPACITY * STEPS <= flooded["HELD"] <= CAPACITY * (STEPS + 1) + QUEUE
    assert flooded.keys() == {"HELD", "overloaded"}
    assert sum(flooded.values()) == CAPACITY * 10 * STEPS
    assert most == QUEUE
