"""Somebody holds all there is and never pays: what it costs with a cap on expired holds, or none.

The engine runs on a clock that the test moves, so an hour of attack is a moment. The attackers come
back the millisecond their holds end, before any buyer can: the worst there is.
"""

import pytest

from stock.engine import Engine
from stock.ids import random_rid
from stock.model import Attempt
from stock.twin import TwinEngine
from tests.stock.conftest import NOON, World, terms, world

__all__ = ["world"]  # the fixture: both engines

DROP = "shoes"
UNITS, ATTACKERS, HOLD_MS = 100, 50, 60_000
HOUR_MS = 3_600_000


async def attack(world: World, expired_limit: int) -> tuple[float, int]:
    """Stock-hours that the attackers held in an hour, and units that honest buyers got."""
    engine: Engine = world.engine
    await engine.open_drop(
        DROP,
        terms(
            opens_ms=NOON,
            closes_ms=NOON + 2 * HOUR_MS,
            hold_ms=HOLD_MS,
            buyer_limit=2,
            allotted=UNITS,
            expired_limit=expired_limit,
        ),
    )
    held: list[str] = []
    stolen_ms, honest = 0, 0
    for minute in range(60):
        if held:
            await engine.expire(DROP, held)
        attempts = [Attempt(random_rid(DROP), f"attacker-{n % ATTACKERS}") for n in range(UNITS)]
        answer = await engine.reserve(DROP, attempts)
        held = [
            attempt.rid
            for attempt, outcome in zip(attempts, answer.outcomes, strict=True)
            if outcome.code == "HELD"
        ]
        stolen_ms += len(held) * HOLD_MS
        if answer.remaining:
            buyers = [Attempt(random_rid(DROP), f"buyer-{minute}-{n}") for n in range(20)]
            for attempt, outcome in zip(
                buyers, (await engine.reserve(DROP, buyers)).outcomes, strict=True
            ):
                if outcome.code == "HELD":
                    honest += 1
                    await engine.confirm(attempt.rid, f"pay{minute}-{honest}", 9_900)
        await world.later(HOLD_MS)
    return stolen_ms / HOUR_MS, honest


@pytest.mark.parametrize(
    ("expired_limit", "stock_hours", "honest"),
    [
        (0, 100.0, 0),  # never barred: all of it, all the time
        (3, 100 * 2 / 60, 100),  # two units a buyer and round: barred after two minutes
        (1, 100 * 1 / 60, 100),
    ],
)
async def test_what_holding_all_costs(
    world: World, expired_limit: int, stock_hours: float, honest: int
) -> None:
    lost, sold = await attack(world, expired_limit)
    assert lost == pytest.approx(stock_hours)
    assert sold == honest
    snapshot = await world.engine.snapshot(DROP)
    assert snapshot is not None
    assert snapshot.sold == honest
    if isinstance(world.engine, TwinEngine):
        assert max(world.engine._drops[DROP].expired.values()) >= expired_limit
