"""GET /livez, /readyz, /metrics, /docs."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from sqlalchemy import delete

from livesale.app import PARTS, ROUTES
from livesale.database.engine import transaction
from livesale.ledger import tables
from livesale.ledger.writer import Writer
from livesale.operations.health import Health
from livesale.tasks.clock import Clock
from livesale.telemetry import metrics
from livesale.telemetry.briefs import SILENT, Brief
from livesale.web.draining import Draining
from tests.livesale.api import Api, outdate
from tests.livesale.catalogue.test_catalogue import break_sql
from tests.livesale.stage import running, until_written
from tests.servers import Valkey

GOOD = {"ok": True, "detail": ""}
READY = {
    "status": "ready",
    "redis": GOOD,
    "scripts": GOOD,
    "epoch": GOOD,
    "sql": GOOD,
    "writer": GOOD,
    "drain": GOOD,
    "tasks": GOOD,
    "writer_lag": {"lag_entries": 0, "behind_ms": 0},
}


async def readyz(api: Api) -> tuple[int, dict[str, Any]]:
    outdate(api.app[PARTS][Health]._stores)
    reply = await api.get("/readyz")
    return reply.status, reply.body


async def test_alive(api: Api) -> None:
    reply = await api.get("/livez")
    assert (reply.status, reply.body) == (200, {"status": "alive"})


async def test_ready(api: Api) -> None:
    assert await readyz(api) == (200, READY)


async def test_the_lag_of_the_writer_is_told(api: Api) -> None:
    # given: two entries that no writer has taken
    drop_id = await api.open_drop()
    await api.reserve(drop_id)
    # then
    _, body = await readyz(api)
    assert body["writer_lag"]["lag_entries"] == 2
    assert body["status"] == "ready"
    # and: none when it has
    async with running(Writer(api.deployment)):
        await until_written(api.deployment)
    assert await readyz(api) == (200, READY)


async def test_a_writer_far_behind_is_a_reason_to_look(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livesale.operations.health.BEHIND_MS", -1)
    await api.open_drop()
    status, body = await readyz(api)
    assert (status, body["status"], body["writer"]["ok"]) == (200, "degraded", False)


async def test_a_clock_that_does_not_answer_is_told(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: Redis answers, but goes away before the writer is looked at
    async def away(*_: object) -> None:
        raise RedisConnectionError("gone")

    monkeypatch.setattr(Health, "_read_logs", away)
    # then: the document says so
    assert await readyz(api) == (
        200,
        READY
        | {
            "status": "degraded",
            "writer": {"ok": False, "detail": "ConnectionError"},
            "writer_lag": None,
        },
    )


async def test_without_sql_sales_go_on(api: Api) -> None:
    drop_id = await api.open_drop()
    await break_sql(api)
    status, body = await readyz(api)
    assert (status, body["status"], body["sql"]["ok"]) == (200, "degraded", False)
    assert (body["redis"], body["epoch"]) == (GOOD, GOOD)
    assert (await api.reserve(drop_id)).status == 201


async def test_sql_that_hangs_is_said_to_give_no_answer(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livesale.operations.health.TIMEOUT_S", 0.0)
    found, _ = await api.app[PARTS][Health]._check_sql()
    assert found.detail == "away (no answer); sales continue"


async def test_a_background_task_that_fails_is_named(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a clock that cannot be read for once, and then only when the test lets it
    clock = api.app[PARTS][Clock]
    read, failed, may_read = clock.read, asyncio.Event(), asyncio.Event()

    async def break_once() -> None:
        if not failed.is_set():
            failed.set()
            raise ValueError("a defect")
        await may_read.wait()
        await read()

    monkeypatch.setattr(clock, "read", break_once)
    await failed.wait()
    # then it is named, and sales go on
    while (answer := await readyz(api))[1]["tasks"]["ok"]:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    tasks = {"ok": False, "detail": "clock (ValueError)"}
    assert answer == (200, READY | {"status": "degraded", "tasks": tasks})
    # and: no more when it works again
    may_read.set()
    while not (answer := await readyz(api))[1]["tasks"]["ok"]:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    assert answer == (200, READY)


async def test_a_task_of_another_process_is_named(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a keeper on this machine that fails, and one that hangs
    async def briefs() -> dict[str, Brief]:
        return {"api-0": Brief(), "keeper": Brief(["rooms: watch"]), "writer": SILENT}

    monkeypatch.setattr(metrics, "take_briefs", briefs)
    outdate(api.app[PARTS][Health]._briefs)
    _, body = await readyz(api)
    assert body["tasks"]["detail"] == "keeper: rooms: watch; writer does not answer"


async def test_draining_is_not_ready_and_closes_connections(api: Api) -> None:
    assert "Connection" not in (await api.get("/livez")).headers
    api.app[PARTS][Draining].draining = True
    status, body = await readyz(api)
    assert (status, body["status"]) == (503, "not_ready")
    assert body["drain"] == {"ok": False, "detail": "draining"}
    assert (await api.get("/v1/time")).headers["Connection"] == "close"


async def test_another_epoch_is_a_reason_to_look(api: Api, redis: Redis) -> None:
    # given one partition of two that has moved on
    drop_id = await api.open_drop()
    keyspace = api.deployment.keyspace
    before = await api.books(drop_id)
    await redis.set(keyspace.epoch(keyspace.partition_of(drop_id)), 2)
    # then the other one goes on selling
    status, body = await readyz(api)
    assert (status, body["status"], body["epoch"]["ok"]) == (200, "degraded", False)
    # and: nothing is sold, changed or given back under the old one
    reply = await api.reserve(drop_id)
    assert (reply.status, reply.code) == (503, "fenced")
    assert int(reply.headers["Retry-After"]) > 0
    for verb, body in (
        ("open", None),
        ("pause", None),
        ("close", None),
        ("adjust", {"delta": 1, "reason": "x"}),
    ):
        reply = await api.post(f"/v1/admin/drops/{drop_id}/{verb}", body, by=api.boss)
        assert (reply.status, reply.code) == (503, "fenced")
    after = await api.books(drop_id)
    assert after == before | {"ok": False}


async def test_no_partition_to_sell_from_is_not_ready(api: Api, redis: Redis) -> None:
    await redis.flushall()
    status, body = await readyz(api)
    assert (status, body["status"], body["epoch"]["ok"]) == (503, "not_ready", False)
    assert "has epoch None" in body["epoch"]["detail"]


async def test_forgotten_scripts_are_said_and_not_loaded(api: Api, redis: Redis) -> None:
    drop_id = await api.open_drop()
    await redis.script_flush()
    await redis.config_resetstat()
    # then a stranger who asks makes nobody write
    status, body = await readyz(api)
    assert (status, body["status"], body["scripts"]["ok"]) == (503, "not_ready", False)
    asked = await redis.info("commandstats")
    assert not {name for name in asked if "load" in name or "eval" in name}
    # and: a call helps itself
    assert (await api.reserve(drop_id)).status == 201


async def test_a_full_redis_is_not_ready_and_says_why(api: Api, redis: Redis) -> None:
    drop_id = await api.open_drop()
    await redis.config_set("maxmemory", 1)
    try:
        status, body = await readyz(api)
    finally:
        await redis.config_set("maxmemory", 0)
    assert (status, body["status"], body["redis"]["ok"]) == (503, "not_ready", False)
    assert "full and refuses writes" in body["redis"]["detail"]
    # when there is memory again
    status, body = await readyz(api)
    assert (status, body["status"]) == (200, "ready")
    assert (await api.reserve(drop_id)).status == 201


async def test_without_redis(api: Api, redis_server: Valkey) -> None:
    # given
    drop_id = await api.open_drop()
    rid = (await api.reserve(drop_id)).body["reservation_id"]
    redis_server.kill()
    try:
        # then: not ready, and every answer is a clear refusal
        status, body = await readyz(api)
        assert (status, body["status"], body["redis"]["ok"]) == (503, "not_ready", False)
        assert (await api.get("/livez")).status == 200
        replies = [
            await api.reserve(drop_id),
            await api.get(f"/v1/reservations/{rid}", by=api.buyer()),
            await api.delete(f"/v1/reservations/{rid}", by=api.buyer()),
            await api.post(f"/v1/admin/drops/{drop_id}/pause", by=api.boss),
            await api.get(f"/v1/admin/drops/{drop_id}/books", by=api.viewer),
        ]
        for reply in replies:
            assert reply.status == 503
            assert reply.code in ("overloaded", "outcome_unknown")
            assert int(reply.headers["Retry-After"]) > 0
        # and: the clock goes on
        assert (await api.get("/v1/time")).status == 200
    finally:
        redis_server.start()
    # and: what was acknowledged is still there
    found = await api.get(f"/v1/reservations/{rid}", by=api.buyer())
    assert (found.status, found.body["status"]) == (200, "held")


async def test_metrics_tell_what_was_asked(api: Api) -> None:
    # given
    drop_id = await api.open_drop(allotted=1)
    await api.reserve(drop_id)
    await api.reserve(drop_id, "bob")
    # when
    reply = await api.get("/metrics")
    # then
    assert reply.status == 200
    text = reply.raw.decode()
    for wanted in (
        'livesale_http_requests_total{method="POST",process="local",'
        'route="/v1/drops/{drop_id}/reservations",status="201"}',
        'livesale_reservations_total{code="HELD",process="local"}',
        'livesale_reservations_total{code="SOLD_OUT",process="local"}',
        'livesale_http_requests_in_flight{process="local"} 1.0',
        'livesale_reserve_queue{process="local"} 0.0',
    ):
        assert wanted in text, wanted
    assert drop_id not in text


async def test_the_page_names_every_route_and_loads_nothing(api: Api) -> None:
    reply = await api.get("/docs")
    page = reply.raw.decode()
    assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
    assert reply.headers["Content-Security-Policy"].startswith("default-src 'none'")
    for route in ROUTES:
        assert f"<code>{route.path}</code>" in page
    assert "<script" not in page
    assert "src=" not in page


async def test_offsets_that_are_gone_are_no_reason_to_fall(api: Api) -> None:
    async with transaction(api.deployment.sql) as connection:
        await connection.execute(delete(tables.log_offsets))
    status, body = await readyz(api)
    assert (status, body["writer_lag"]) == (200, {"lag_entries": 0, "behind_ms": 0})
