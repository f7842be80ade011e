"""Faults below HTTP: each is a 503 of its own that says whether to ask again."""

import asyncio
import io
import os
import signal
from typing import Any

import pytest
import structlog
from msgspec.structs import replace
from redis.asyncio import Redis

from livesale.app import PARTS
from livesale.resources import Deployment
from livesale.sales.reservations import Reservations
from livesale.web import endpoint
from stock.batcher import Caller
from stock.errors import (
    BooksBroken,
    DeadlinePassed,
    FencedOff,
    OutcomeUnknown,
    Overloaded,
    ScriptRefused,
    Unreachable,
)
from stock.model import Attempt
from tests.livesale.api import Api
from tests.livesale.conftest import Serve
from tests.servers import Valkey
from tests.waiting import until


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Overloaded, "overloaded"),
        (DeadlinePassed, "overloaded"),
        (Unreachable, "overloaded"),
        (OutcomeUnknown, "outcome_unknown"),
        (FencedOff, "fenced"),
        (ScriptRefused, "engine_refused"),
        (BooksBroken, "books_broken"),
    ],
)
async def test_every_fault_of_the_engine(
    api: Api, monkeypatch: pytest.MonkeyPatch, fault: type[Exception], code: str
) -> None:
    def fail_at_once(*_: Any, **__: Any) -> Any:
        raise fault("secret text of the store")

    def fail_after_a_while(_drop_id: str, _attempt: Attempt, caller: Caller, **_: Any) -> None:
        asyncio.get_running_loop().call_later(
            0.01, caller.set_exception, fault("secret text of the store")
        )

    for fail in (fail_at_once, fail_after_a_while):
        monkeypatch.setattr(api.app[PARTS][Reservations]._queue, "enter", fail)
        reply = await api.reserve("somedrop")
        assert (reply.status, reply.code) == (503, code)
        assert int(reply.headers["Retry-After"]) >= 1
        assert b"secret text" not in reply.raw


async def test_what_nobody_foresaw_is_a_500_without_details(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("details that are nobody's business")

    out = io.StringIO()
    processors = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    log = structlog.wrap_logger(structlog.PrintLogger(out), processors=processors)
    monkeypatch.setattr(endpoint, "log", log)
    monkeypatch.setattr(api.app[PARTS][Reservations]._queue, "enter", fail)
    async with api._session.post(
        f"{api.url}/v1/drops/x/reservations",
        headers={"Authorization": f"Bearer {api.buyer()}", "X-Request-Id": "trace-me"},
    ) as response:
        body = await response.json(content_type="application/problem+json")
    assert (response.status, body["code"]) == (500, "internal_error")
    assert "details" not in str(body)
    # and: the log has them, with the id that the client was told
    assert "trace-me" in out.getvalue()
    assert "nobody's business" in out.getvalue()


async def test_a_full_queue_sheds_load(stage: Deployment, serve: Serve) -> None:
    # given: one attempt may wait; Redis is busy elsewhere
    stock = stage.settings.stock.model_copy(update={"max_queue": 1})
    api = await serve(replace(stage, settings=stage.settings.model_copy(update={"stock": stock})))
    drop_id = await api.open_drop(allotted=100)
    # when
    replies = await asyncio.gather(*(api.reserve(drop_id, f"b{n}") for n in range(60)))
    # then: everybody has a clear answer, and exactly the acknowledged ones hold something
    assert {reply.status for reply in replies} <= {201, 503}
    assert all(reply.code == "overloaded" for reply in replies if reply.status == 503)
    held = sum(reply.status == 201 for reply in replies)
    assert (await api.books(drop_id))["redis"]["held"] == held > 0


async def test_a_store_that_is_full_refuses_before_it_writes(api: Api, redis: Redis) -> None:
    # given
    drop_id = await api.open_drop()
    before = await api.books(drop_id)
    await redis.config_set("maxmemory", 1)
    try:
        reply = await api.reserve(drop_id)
    finally:
        await redis.config_set("maxmemory", 0)
    # then
    assert (reply.status, reply.code) == (503, "engine_refused")
    assert await api.books(drop_id) == before


async def test_a_client_that_goes_away_after_asking_has_at_most_one_effect(api: Api) -> None:
    # given
    drop_id = await api.open_drop()
    raw = (
        f"POST /v1/drops/{drop_id}/reservations HTTP/1.1\r\nHost: a\r\n"
        f"Authorization: Bearer {api.buyer()}\r\nIdempotency-Key: k\r\n\r\n"
    ).encode()
    for _ in range(5):
        _, writer = await asyncio.open_connection("127.0.0.1", api.port)
        writer.write(raw)
        await writer.drain()
        writer.transport.abort()
    # when: the answer is asked for again
    reply = await api.reserve(drop_id, key="k")
    # then
    assert reply.status in (200, 201)
    assert (await api.books(drop_id))["redis"]["held"] == 1


async def test_a_store_that_stands_still_leaves_the_outcome_open_and_a_retry_settles_it(
    stage: Deployment, serve: Serve, redis_server: Valkey
) -> None:
    # given: an answer is waited for a tenth of a second, and Redis is stopped in the middle
    stock = stage.settings.stock.model_copy(update={"deadline_ms": 100})
    api = await serve(replace(stage, settings=stage.settings.model_copy(update={"stock": stock})))
    drop_id = await api.open_drop()
    os.kill(redis_server.pid, signal.SIGSTOP)
    try:
        lost = await api.reserve(drop_id, quantity=2, key="k")
    finally:
        os.kill(redis_server.pid, signal.SIGCONT)
    assert (lost.status, lost.code) == (503, "outcome_unknown")
    assert int(lost.headers["Retry-After"]) >= 1
    # when: asked again with the same key, until it is answered

    async def settled() -> bool:
        return (await api.reserve(drop_id, quantity=2, key="k")).status in (200, 201)

    await until(settled)
    # then: one effect
    assert (await api.books(drop_id))["redis"] == {
        "allotted": 10,
        "available": 8,
        "held": 2,
        "sold": 0,
        "burned": 0,
    }
