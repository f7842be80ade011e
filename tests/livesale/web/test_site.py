"""What browsers are told: security headers always, HSTS and CORS where the settings say so."""

import re

import pytest
from msgspec.structs import replace

from livesale.errors import Refused
from livesale.resources import Deployment
from livesale.settings import load_settings
from tests.livesale.api import Api
from tests.livesale.conftest import Serve

SHOP = "https://shop.example"
CACHED = dict.fromkeys(("/docs", "/openapi.json"), "public, max-age=300, must-revalidate")
ASK = {"Origin": SHOP, "Access-Control-Request-Method": "POST"}


async def served(stage: Deployment, serve: Serve, **changes: object) -> Api:
    http = stage.settings.http.model_copy(update=changes)
    return await serve(replace(stage, settings=stage.settings.model_copy(update={"http": http})))


@pytest.mark.parametrize(
    "path", ["/v1/time", "/v1/orders", "/nowhere", "/docs", "/openapi.json", "/metrics", "/livez"]
)
async def test_every_answer_is_safe_in_a_browser(api: Api, path: str) -> None:
    for by in (None, api.buyer()):
        headers = (await api.get(path, by=by)).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == CACHED.get(path, "no-store")
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Server"] == "livesale"
        assert len(headers.getall("Content-Security-Policy")) == 1
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert ("Vary" in headers) == (path in CACHED)
        for absent in ("Strict-Transport-Security", "Access-Control-Allow-Origin"):
            assert absent not in headers


async def test_a_page_of_ours_may_style_itself_and_nothing_else(api: Api) -> None:
    reply = await api.get("/docs")
    policy = reply.headers["Content-Security-Policy"]
    assert "style-src 'unsafe-inline'" in policy
    assert "script" not in policy
    assert not re.search(r"<script|\bsrc=|\bon\w+=", reply.body)


async def test_hsts_where_it_is_set(stage: Deployment, serve: Serve) -> None:
    api = await served(stage, serve, hsts_s=600)
    for path in ("/v1/time", "/nowhere"):
        headers = (await api.get(path)).headers
        assert headers["Strict-Transport-Security"] == "max-age=600"


async def test_a_page_that_may_ask(stage: Deployment, serve: Serve) -> None:
    # given
    api = await served(stage, serve, cors_origins=[SHOP])
    path = "/v1/drops/somedrop/reservations"
    # when
    before = await api.ask("OPTIONS", path, **ASK)
    asked = await api.ask("POST", path, by=api.buyer(), Origin=SHOP)
    lost = await api.get("/nowhere", Origin=SHOP)
    # then
    assert (before.status, before.raw) == (200, b"")
    assert before.headers["Access-Control-Allow-Methods"] == "POST"
    assert "Authorization" in before.headers["Access-Control-Allow-Headers"]
    assert "Idempotency-Key" in before.headers["Access-Control-Allow-Headers"]
    assert int(before.headers["Access-Control-Max-Age"]) > 0
    for reply in (before, asked, lost):
        assert reply.headers["Access-Control-Allow-Origin"] == SHOP
        assert reply.headers["Vary"] == "Origin"
        assert "Access-Control-Allow-Credentials" not in reply.headers
    assert "Retry-After" in asked.headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "https://shop.example.evil.example", f"{SHOP}:444"]
)
async def test_a_page_that_may_not_ask(stage: Deployment, serve: Serve, origin: str) -> None:
    api = await served(stage, serve, cors_origins=[SHOP])
    before = await api.ask("OPTIONS", "/v1/time", **(ASK | {"Origin": origin}))
    asked = await api.get("/v1/time", Origin=origin)
    assert (before.status, before.code) == (405, "method_not_allowed")
    for reply in (before, asked):
        assert "Access-Control-Allow-Origin" not in reply.headers
        assert reply.headers["Vary"] == "Origin"


async def test_without_the_setting_no_page_may_ask(api: Api) -> None:
    before = await api.ask("OPTIONS", "/v1/time", **ASK)
    assert (before.status, before.code) == (405, "method_not_allowed")
    assert "Access-Control-Allow-Origin" not in before.headers


@pytest.mark.parametrize(
    "origin", ["*", "null", "shop.example", f"{SHOP}/", "https://a b", "", f"{SHOP}\r\nX: y"]
)
def test_an_origin_that_is_none_is_refused_at_start(origin: str) -> None:
    with pytest.raises(Refused, match="CORS_ORIGINS"):
        load_settings(http__cors_origins=[origin])
