"""POST /v1/sessions, with the login of development and WeChat's twin."""

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from livesale.database.engine import transaction
from livesale.identity.tables import buyers
from livesale.resources import Deployment
from tests.livesale.api import Api
from tests.livesale.conftest import Serve
from tests.twins.wechat_login import WeChatLoginTwin

OPENID = "oGZUI0egBJY1zhBYw2KhdUfwVJJE"


@pytest.fixture
async def twin() -> AsyncIterator[WeChatLoginTwin]:
    twin = WeChatLoginTwin("wx-app", "app-secret", time.monotonic)
    yield twin
    await twin.stop()


@pytest.fixture
async def wechat(stage: Deployment, serve: Serve, twin: WeChatLoginTwin) -> Api:
    """The API with WeChat's login on, and that of development off."""
    settings = stage.settings
    changed = settings.model_copy(
        update={
            "auth": settings.auth.model_copy(update={"dev_login": False}),
            "wechat": settings.wechat.model_copy(
                update={
                    "appid": "wx-app",
                    "secret": type(settings.auth.secret)("app-secret"),
                    "base_url": await twin.start(),
                }
            ),
        }
    )
    return await serve(replace(stage, settings=changed))


async def rows(api: Api) -> list[tuple[Any, ...]]:
    async with transaction(api.deployment.sql, write=False) as connection:
        query = select(buyers.c.buyer_id, buyers.c.provider, buyers.c.subject)
        return [tuple(row) for row in await connection.execute(query)]


async def log_in(api: Api, provider: str, code: str) -> Any:
    return await api.post("/v1/sessions", {"provider": provider, "code": code})


async def test_a_session_is_a_token_that_buys(api: Api) -> None:
    # given
    drop_id = await api.open_drop()
    # when
    session = await log_in(api, "dev", "ann")
    # then
    assert session.status == 201
    assert set(session.body) == {"token", "buyer_id", "expires_ms"}
    assert session.body["buyer_id"] == "dev-ann"
    bought = await api.post(f"/v1/drops/{drop_id}/reservations", by=session.body["token"])
    assert bought.status == 201


async def test_wechat_users_are_remembered_once(wechat: Api, twin: WeChatLoginTwin) -> None:
    # when
    first = await log_in(wechat, "wechat", twin.code_of(OPENID))
    second = await log_in(wechat, "wechat", twin.code_of(OPENID))
    # then
    assert (first.status, second.status) == (201, 201)
    assert first.body["buyer_id"] == second.body["buyer_id"]
    assert OPENID.encode() not in first.raw
    assert await rows(wechat) == [(first.body["buyer_id"], "wechat", OPENID)]


@pytest.mark.parametrize(
    ("errcode", "status", "code"),
    [
        (40029, 401, "invalid_code"),
        (40163, 401, "invalid_code"),
        (40226, 403, "login_blocked"),
        (45011, 429, "login_too_often"),
        (-1, 503, "login_unavailable"),
    ],
)
async def test_wechat_refuses(
    wechat: Api, twin: WeChatLoginTwin, errcode: int, status: int, code: str
) -> None:
    twin.errcode_of[OPENID] = errcode
    reply = await log_in(wechat, "wechat", twin.code_of(OPENID))
    assert (reply.status, reply.code) == (status, code)
    assert ("Retry-After" in reply.headers) == (status in (429, 503))
    assert await rows(wechat) == []


async def test_a_provider_that_is_off(api: Api, wechat: Api) -> None:
    for server, provider in ((api, "wechat"), (wechat, "dev")):
        reply = await log_in(server, provider, "ann")
        assert (reply.status, reply.code) == (403, "provider_off")
        assert await rows(server) == []
