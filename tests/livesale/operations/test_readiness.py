"""What `livesale doctor` finds before a sale: each finding both ways, on real stores."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import insert

from livesale.database.engine import transaction
from livesale.ledger import tables
from livesale.ledger.writer import Writer
from livesale.operations import readiness
from livesale.operations.doctor import moves_for, spread
from livesale.operations.finding import Finding, Verdict
from livesale.resources import Deployment
from livesale.settings import load_settings
from stock.keyspace import Keyspace
from stock.topology.router import Shard
from stock.topology.slots import slot_of
from tests.livesale.stage import open_drop, open_stage, reserve, running, until_written
from tests.servers import Valkey

SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture
async def stage(
    redis: Redis, redis_server: Valkey, sqlite_url: str, tmp_path: Path
) -> AsyncIterator[Deployment]:
    async with open_stage(redis, redis_server.url, sqlite_url, tmp_path) as stage:
        yield stage


async def test_a_redis_user_with_rights_to_spare(stage: Deployment) -> None:
    """One without is shown in tests/livesale/deployment/test_acl.py."""
    found = await readiness.rights(stage.redis, stage.settings)
    assert found.verdict is Verdict.NOTE
    for command in ("CONFIG", "EVAL", "ACL"):
        assert command in found.text
    assert "redis-users.acl" in found.cure


async def test_a_writer_that_does_not_run(
    stage: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    monkeypatch.setattr(readiness, "LARGEST_LAG", 3)
    drop_id = await open_drop(stage)
    for number in range(5):
        await reserve(stage, drop_id, [f"buyer-{number}"])
    # when
    behind = await readiness.lag(stage.redis, stage.sql, stage.settings)
    async with running(Writer(stage)):
        await until_written(stage)
    caught_up = await readiness.lag(stage.redis, stage.sql, stage.settings)
    # then
    assert (behind.verdict, behind.text) == (Verdict.NOTE, "SQL is 6 entries behind the log")
    assert (caught_up.verdict, caught_up.text) == (
        Verdict.GOOD,
        "SQL is 0 entries behind the log",
    )


async def test_what_the_last_sale_left(stage: Deployment) -> None:
    assert [found.verdict for found in await readiness.leftovers(stage.sql)] == [Verdict.GOOD] * 2
    refund = {
        "refund_no": "r1",
        "payment_id": "p1",
        "order_id": "x-0123456789abcdef",
        "amount_fen": 1,
        "state": "due",
        "created_ms": 1,
    }
    aside = {"partition": 0, "log_id": "1-1", "reason": "?", "payload": "{}", "created_ms": 1}
    async with transaction(stage.sql) as connection:
        await connection.execute(insert(tables.refunds), refund)
        await connection.execute(insert(tables.quarantine), aside)
    found = {finding.topic: finding for finding in await readiness.leftovers(stage.sql)}
    assert found["refunds"].verdict is Verdict.NOTE and "1 refunds" in found["refunds"].text
    assert found["quarantine"].verdict is Verdict.PROBLEM


@pytest.mark.parametrize(
    ("units", "verdict"),
    [(100, Verdict.GOOD), (65_000, Verdict.NOTE), (200_000, Verdict.PROBLEM)],
)
async def test_room_for_the_stock_on_offer(stage: Deployment, units: int, verdict: Verdict) -> None:
    # given: 60 MiB are free
    await open_drop(stage, allotted=units)
    used = int((await stage.redis.info("memory"))["used_memory"])
    await stage.redis.config_set("maxmemory", used + 60 * readiness.MEBIBYTE)
    try:
        # when
        found = await readiness.memory(stage.redis, stage.sql, stage.keyspace)
    finally:
        await stage.redis.config_set("maxmemory", 0)
    # then
    assert (found.verdict, found.text.partition(" ")[0]) == (verdict, f"{units:,}")


async def test_a_reservation_takes_no_more_than_is_reckoned(stage: Deployment) -> None:
    drop_id = await open_drop(stage, allotted=3_000)
    before = int((await stage.redis.info("memory"))["used_memory"])
    for start in range(0, 3_000, 10):
        await reserve(stage, drop_id, [f"o{'x' * 24}{start + n:03d}" for n in range(10)])
    taken = int((await stage.redis.info("memory"))["used_memory"]) - before
    assert 100 < taken / 3_000 < readiness.BYTES_PER_RESERVATION


def exposed(**flags: Any) -> dict[str, Finding]:
    flags["payments__allow_simulated"] = True
    settings = load_settings(env="prod", auth__secret=SECRET, **flags)
    return {finding.topic: finding for finding in readiness.exposure(settings)}


def test_nothing_is_said_of_dev() -> None:
    assert readiness.exposure(load_settings(env="dev")) == []


@pytest.mark.parametrize(
    ("flags", "noted"),
    [
        ({"http__host": "127.0.0.1"}, set()),
        ({"http__host": "0.0.0.0"}, {"way in"}),
        ({"http__host": "0.0.0.0", "http__trusted_proxies": ["10.0.0.0/8"]}, set()),
        ({"http__host": "::1", "redis__url": "redis://10.0.0.5"}, {"redis tls"}),
        ({"http__host": "::1", "redis__url": "redis://localhost:7000"}, set()),
        ({"http__host": "::1", "redis__url": "rediss://10.0.0.5"}, set()),
        ({"http__host": "::1", "redis__url": "sentinel://[::1]:1,127.0.0.1/shop"}, set()),
        ({"http__host": "::1", "redis__url": "sentinel://[::1],[fd00::1]/shop"}, {"redis tls"}),
        ({"http__host": "::1", "redis__url": "cluster://[::1]:1,127.0.0.1"}, set()),
        ({"http__host": "::1", "redis__url": "cluster://127.0.0.1,10.0.0.5"}, {"redis tls"}),
        ({"http__host": "::1", "redis__url": "clusters://10.0.0.5"}, set()),
        ({"http__host": "::1", "sql__url": "mysql://u:p@db/livesale"}, {"sql tls"}),
        ({"http__host": "::1", "sql__url": "mysql://u:p@127.0.0.1/livesale"}, set()),
    ],
)
def test_what_is_spoken_in_clear(flags: dict[str, Any], noted: set[str]) -> None:
    found = exposed(**flags)
    assert {topic for topic, one in found.items() if one.verdict is Verdict.NOTE} == noted
    assert all(one.cure for one in found.values() if one.verdict is Verdict.NOTE)
    assert noted or found["way in"].verdict is Verdict.GOOD
    assert not any("u:p" in one.text for one in found.values())


def test_the_doctor_names_the_slots_that_must_move(redis: Redis) -> None:
    space = Keyspace(8)
    uneven = [
        Shard("a", redis, (0, 1, 2, 3, 4)),
        Shard("b", redis, (5, 6, 7)),
        Shard("c", redis, ()),
    ]
    found = spread(uneven, space)
    assert found.verdict is Verdict.NOTE
    assert "a has 5, b has 3, c has 0" in found.text
    assert moves_for(uneven) == [(4, "c"), (3, "c")]
    for partition, name in moves_for(uneven):
        slot = slot_of(space.log(partition))
        assert f"slot {slot} (p{partition:02d}) to {name}" in found.cure
    even = [Shard("a", redis, (0, 1)), Shard("b", redis, (2,))]
    assert spread(even, Keyspace(3)).verdict is Verdict.GOOD
