"""The AOF is rewritten between sales, and in a sale only for its size."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from livesale.operations import readiness
from livesale.operations.finding import Verdict
from livesale.resources import Deployment
from livesale.sales import rewrites
from livesale.sales.rewrites import DENIED_S, LOOK_S, MEBIBYTE, Aof, AofRewriter, why_now
from tests.livesale.stage import open_drop
from tests.waiting import until

BUDGET = 2_048 * MEBIBYTE
HOUR_MS = 3_600_000


def aof(grown_mib: int, base_mib: int = 10) -> Aof:
    return Aof(0.0, (base_mib + grown_mib) * MEBIBYTE, base_mib * MEBIBYTE, busy=False)


@pytest.mark.parametrize(
    ("grown", "base", "per_s", "opens_in_ms", "why"),
    [
        (64, 10, 0.0, None, "quiet"),
        (64, 10, 0.0, HOUR_MS, "quiet"),
        (63, 10, 0.0, None, None),  # too small
        (100, 101, 0.0, None, None),  # it has not doubled
        (64, 10, 100_000.0, None, None),  # somebody buys
        (64, 10, 0.0, 59_000, None),  # the doors open soon
        (64, 10, 0.0, -20_000, None),  # they have just opened
        (16, 10, 0.0, 599_000, "opening"),
        (16, 10, 0.0, 601_000, None),
        (16, 10, 100_000.0, 599_000, None),
        (2_048, 10, 1e9, -20_000, "budget"),  # the disk matters more
        (2_048, 2_049, 1e9, -20_000, None),  # the next would come at once
    ],
)
def test_when_it_is_time(
    grown: int, base: int, per_s: float, opens_in_ms: int | None, why: str | None
) -> None:
    assert why_now(aof(grown, base), per_s, opens_in_ms, BUDGET) == why


@pytest.fixture
async def rewriter(stage: Deployment, monkeypatch: pytest.MonkeyPatch) -> AofRewriter:
    """Of a Redis whose AOF is worth it at once."""
    for name in ("WORTH_BYTES", "EARLY_BYTES"):
        monkeypatch.setattr(rewrites, name, 100_000)
    await stage.redis.bgrewriteaof()
    await until_settled(stage.redis)
    return AofRewriter(stage, CollectorRegistry())


async def until_settled(redis: Redis) -> None:
    async def nothing_is_rewritten() -> bool:
        about = await redis.info("persistence")
        return not (about["aof_rewrite_in_progress"] or about["aof_rewrite_scheduled"])

    await until(nothing_is_rewritten)


async def grow(redis: Redis) -> None:
    """More than there was, and no key more: a rewrite makes it small again."""
    size = int((await redis.info("persistence"))["aof_current_size"])
    await redis.set("much", "x" * (size + 200_000))
    await redis.delete("much")


async def count(redis: Redis) -> int:
    await until_settled(redis)
    return int((await redis.info("stats"))["total_forks"])


async def test_it_is_rewritten_between_sales(stage: Deployment, rewriter: AofRewriter) -> None:
    before = await count(stage.redis)
    await grow(stage.redis)
    # given the first look, which knows no rate yet
    assert await rewriter.look() == LOOK_S
    assert await count(stage.redis) == before
    # when it looks again and nothing was written meanwhile, then it is rewritten, once
    await rewriter.look()
    assert await count(stage.redis) == before + 1
    await rewriter.look()
    await rewriter.look()
    assert await count(stage.redis) == before + 1
    assert rewriter._metrics.rewrites.labels("quiet")._value.get() == 1


async def test_no_rewrite_falls_into_a_sale(stage: Deployment, rewriter: AofRewriter) -> None:
    before = await count(stage.redis)
    # given a drop that opens within a minute
    now_ms = await stage.engine.now_ms()
    drop_id = await open_drop(stage, opens_ms=now_ms + 30_000)
    await grow(stage.redis)
    await rewriter.look()
    await rewriter.look()
    assert await count(stage.redis) == before
    # and buyers who write much, with no opening near
    await stage.engine.close_drop(drop_id)
    rewriter._before.clear()
    await rewriter.look()
    for _ in range(3):
        await grow(stage.redis)
        await rewriter.look()
    assert await count(stage.redis) == before


async def test_a_user_who_may_not_is_told_once_in_a_while(
    stage: Deployment, rewriter: AofRewriter
) -> None:
    await grow(stage.redis)
    await rewriter.look()
    await stage.redis.execute_command("ACL", "SETUSER", "default", "-bgrewriteaof")
    try:
        assert await rewriter.look() == DENIED_S
    finally:
        await stage.redis.execute_command("ACL", "SETUSER", "default", "+bgrewriteaof")


async def test_two_keepers_begin_one_rewrite(stage: Deployment, rewriter: AofRewriter) -> None:
    before = await count(stage.redis)
    other = AofRewriter(stage, CollectorRegistry())
    await grow(stage.redis)
    await asyncio.gather(rewriter.look(), other.look())
    assert await asyncio.gather(rewriter.look(), other.look()) == [LOOK_S, LOOK_S]
    assert await count(stage.redis) - before in (1, 2)  # the second one may find the first over


async def test_doctor_says_when_redis_decides(stage: Deployment) -> None:
    await stage.redis.config_set("auto-aof-rewrite-percentage", 100)
    try:
        finding = await readiness.rewrites(stage.redis)
        assert finding.verdict is Verdict.NOTE and "100 %" in finding.text
    finally:
        await stage.redis.config_set("auto-aof-rewrite-percentage", 0)
    assert (await readiness.rewrites(stage.redis)).verdict is Verdict.GOOD
