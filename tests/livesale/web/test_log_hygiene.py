"""What is logged: enough to follow a request, and never a token, a secret, a code or an openid."""

import asyncio
import io
import time
from typing import Any

import msgspec
import pytest
import structlog
from msgspec.structs import replace

from livesale.resources import Deployment
from livesale.telemetry import logs
from livesale.web import endpoint, traffic
from tests.livesale.api import Api
from tests.livesale.conftest import Serve
from tests.twins.wechat_login import WeChatLoginTwin

OPENID = "oGZUI0egBJY1zhBYw2KhdUfwVJJE"
CODE = "a-very-secret-login-code"


async def test_no_log_line_carries_a_secret(
    stage: Deployment, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: every request is logged, and WeChat's login is on
    twin = WeChatLoginTwin("wx-app", "wechat-app-secret", time.monotonic)
    settings = stage.settings
    changed = settings.model_copy(
        update={
            "http": settings.http.model_copy(update={"access_log_sample": 1.0}),
            "wechat": settings.wechat.model_copy(
                update={
                    "appid": "wx-app",
                    "secret": type(settings.auth.secret)("wechat-app-secret"),
                    "base_url": await twin.start(),
                }
            ),
        }
    )
    before = structlog.get_config()
    out = io.StringIO()
    logs.setup(changed, "api-test", out)
    # Loggers remember where they wrote first: here they must be new, and leave nothing behind.
    structlog.configure(cache_logger_on_first_use=False)
    for module, name in ((endpoint, "log"), (traffic, "access")):
        monkeypatch.setattr(module, name, structlog.get_logger())
    try:
        api = await serve(replace(stage, settings=changed))
        used = await play(api, twin)
        async with asyncio.timeout(10):
            while " by-ticket" not in out.getvalue():  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    finally:
        structlog.configure(**before)
        await twin.stop()
    # then
    text = out.getvalue()
    for secret in [
        OPENID,
        CODE,
        "wechat-app-secret",
        settings.auth.secret.get_secret_value(),
        *used,
    ]:
        assert secret not in text, secret
    # and: the operator's act is there, by name, and a request with its id
    lines = [msgspec.json.decode(line) for line in text.splitlines()]
    acts = [line for line in lines if line["event"] == "operator acted"]
    assert {act["operator"] for act in acts} == {"boss"}
    adjusted = next(act for act in acts if act["action"].endswith("/adjust"))
    assert (adjusted["asked"], adjusted["status"]) == ({"delta": 5, "reason": "found"}, 200)
    requests = [line for line in lines if line["event"] == "request"]
    assert "my-request" in {line["request_id"] for line in requests}
    # and: the reservation that was made is tied to the request that made it
    told = ", ".join(line["made"] for line in lines if line["event"] == "reserved")
    made = {request: rid for rid, request in (pair.split(" ") for pair in told.split(", "))}
    assert {"my-request", "by-ticket"} <= made.keys()
    rid = made["my-request"]
    assert await stage.engine.reservation(rid) is not None
    refused = next(line for line in requests if line["request_id"] == "my-refusal")
    assert (refused["status"], refused["problem"]) == (401, "invalid_token")


async def play(api: Api, twin: WeChatLoginTwin) -> list[str]:
    """Use everything that carries a secret; what must not be seen."""
    code = twin.code_of(OPENID)
    session: Any = await api.post("/v1/sessions", {"provider": "wechat", "code": code})
    await api.post("/v1/sessions", {"provider": "wechat", "code": CODE})
    await api.post(f"/v1/sessions?code={CODE}", {"provider": "wechat", "code": CODE})
    twin.errcode_of[OPENID] = -1
    await api.post("/v1/sessions", {"provider": "wechat", "code": twin.code_of(OPENID)})
    await twin.stop()
    await api.post("/v1/sessions", {"provider": "wechat", "code": CODE})
    token = session.body["token"]
    drop_id = await api.open_drop()
    await api.post(f"/v1/drops/{drop_id}/reservations", by=token, X_Request_Id="my-request")
    by_ticket = await api.open_drop(ticket_required=True)
    ticket = (await api.post(f"/v1/drops/{by_ticket}/tickets", by=token)).body["ticket"]
    path = f"/v1/drops/{by_ticket}/reservations"
    await api.post(path, {"ticket": ticket[:-2] + "xx"}, by=token)
    made = await api.post(path, {"ticket": ticket}, by=token, X_Request_Id="by-ticket")
    assert made.status == 201, made.body
    await api.get(f"/{ticket}")
    forged = token[:-3] + "abc"
    await api.get("/v1/orders", by=forged, X_Request_Id="my-refusal")
    await api.get(f"/v1/orders?token={token}", by=token)
    await api.get(f"/{token}")
    adjust = {"delta": 5, "reason": "found"}
    boss = api.boss
    await api.post(f"/v1/admin/drops/{drop_id}/adjust", adjust, by=boss)
    signed = [ticket, boss, token]
    return [*signed, *(text.rpartition(".")[2] for text in signed), forged, code]
