"""What is malformed is refused with a code and the culprit's name, and changes nothing."""

import asyncio
import gzip
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import web
from msgspec import Struct
from structlog.testing import capture_logs

from livesale.app import ROUTES
from livesale.catalogue.skus.service import NewSku
from livesale.web.routes import Route
from tests.livesale.api import DOCUMENT, FAR_MS, Api
from tests.livesale.orders.after import HOME, SF

GOOD_DROP = {
    "campaign_id": "c",
    "sku_id": "s",
    "price_fen": 1,
    "allotted": 1,
    "buyer_limit": 1,
    "hold_ms": 1,
}
GOOD_SKU = {"title": "x", "price_fen": 1}
PERSON_ID = "x" * 30
GOOD_CAMPAIGN = {"title": "x", "opens_ms": 0, "closes_ms": FAR_MS}
GOOD_ADJUSTMENT = {"delta": 1, "reason": "x"}
NEVER_FIT: list[Any] = [None, "", "1", 1.5, [], {}, True]
UNSEEN = ["  ", "\u3000\u200b", "a\u2028b", "a\u202eb", "\u2066a", "a\x85"]

BODIES: dict[str, tuple[dict[str, Any], dict[str, list[Any]]]] = {
    "/v1/admin/skus": (
        GOOD_SKU,
        {
            "title": [None, 1, "", "x" * 201, "a\x00b", "a\nb", [], *UNSEEN],
            "price_fen": [*NEVER_FIT, 0, -1, 10_000_000_001, 10**30],
            "code": [1, "", "-x", "a b", "茶", "x" * 65],
            "keeps_stock": [None, 1, "true"],
            "safety_stock": [None, -1, "1", 1.5, 100_000_001],
        },
    ),
    "/v1/admin/skus/nosuch/moves": (
        {"kind": "received", "units": 1, "note": "x"},
        {
            "kind": [None, 1, "", "shipped", "RECEIVED"],
            "units": [*NEVER_FIT, 0, -1, 100_000_001],
            "note": [None, 1, "", "x" * 201, "a\nb", *UNSEEN],
        },
    ),
    "/v1/admin/products": (
        {"title": "x"},
        {
            "title": [None, 1, "", "x" * 201, "a\nb", *UNSEEN],
            "description": [None, 1, "x" * 10_001, "a\x00", "a\u202eb"],
            "list_price_fen": ["1", 1.5, 0, -1],
            "list_price_base": [None, 1, "x" * 201, "a\nb", *UNSEEN],
            "status": [None, 1, "archived", "ON_SALE"],
        },
    ),
    "/v1/admin/categories": (
        {"path": "x", "title": "x"},
        {
            "path": [None, 1, "", "/", "a/", "/a", "a//b", "a/b/c/d/e/f", "a b", "../a", "a\n"],
            "position": [*NEVER_FIT, -1, 1_000_001],
        },
    ),
    "/v1/admin/campaigns": (
        GOOD_CAMPAIGN,
        {
            "opens_ms": [*NEVER_FIT, -1, 10**13, 1, 1_800_000_000, 10**12 - 1],
            "closes_ms": [*NEVER_FIT, -1, 10**13, 1_800_000_000],
        },
    ),
    "/v1/admin/drops": (
        GOOD_DROP,
        {
            "campaign_id": [None, 1, "", "A", "x" * 16, "'; drop table drops; --"],
            "sku_id": [None, 1, "", "-"],
            "price_fen": [*NEVER_FIT, -1],
            "allotted": [*NEVER_FIT, 0, -1, 100_000_001],
            "buyer_limit": [*NEVER_FIT, 0, -1, 1_001],
            "hold_ms": [*NEVER_FIT, 0, -1, 7 * 24 * 3_600_000 + 1],
            "opens_ms": [-1, "1", 1.5, 1_800_000_000],
            "closes_ms": [-1, "1", 10**13],
            "expired_limit": [-1, "1", 1_000_001],
        },
    ),
    "/v1/admin/drops/{drop_id}/adjust": (
        GOOD_ADJUSTMENT,
        {
            "delta": [*NEVER_FIT, 0, 100_000_001, -100_000_001],
            "reason": [None, 1, "", "x" * 201, "a\nb", *UNSEEN],
        },
    ),
    "/v1/rooms": (
        {"title": "x", "host": "ann", "starts_ms": FAR_MS},
        {
            "title": [None, 1, "", "x" * 201, "a\nb", *UNSEEN],
            "host": [None, 1, "", "a b", "x" * 41, "a\n"],
            "starts_ms": [*NEVER_FIT, -1, 10**13, 1_800_000_000],
            "cover_url": [None, 1, "http://x", "javascript:x", "https://a b", "https://\u00e9"],
        },
    ),
    "/v1/rooms/rnosuch/comments": (
        {"text": "x"},
        {"text": [None, 1, "", "x" * 1_001, ["x"], {}]},
    ),
    "/v1/rooms/rnosuch/likes": (
        {"count": 1},
        {"count": [*NEVER_FIT, 0, -1, 21]},
    ),
    "/v1/rooms/rnosuch/mutes": (
        {"person_id": PERSON_ID, "seconds": 60, "reason": "x"},
        {
            "person_id": [None, 1, "", "ann", "a b" * 10, "x" * 76, f"{PERSON_ID}\n"],
            "seconds": [*NEVER_FIT, 0, -1, 10**9],
            "reason": [1, "", "x" * 201, "a\nb", *UNSEEN],
        },
    ),
    "/v1/drops/{drop_id}/reservations": (
        {"quantity": 1},
        {"quantity": [*NEVER_FIT, 0, -1, 1_001, 10**30]},
    ),
    "/v1/sessions": (
        {"provider": "dev", "code": "x"},
        {"provider": [None, 1, "", "google", "DEV"], "code": [None, 1, "", "x" * 129, "a\x00"]},
    ),
}
GOOD_BODIES = {path: good for path, (good, _) in BODIES.items()} | {
    "/v1/admin/orders/{order_id}/refund": {"reason": "broken"},
    "/v1/operator/second-factor": {"code": "000000"},
    "/v1/orders/{order_id}/pickup": {"store_id": "s1"},
    "/v1/admin/pickup-stores/{store_id}": {"title": "x", "address": "x", "lat": 0, "lng": 0},
    "/v1/admin/pickups/use": {"code": "0000000000"},
    "/v1/admin/pickups/sync": {"uses": [{"use_id": "12345678", "code": "x", "at_ms": 0}]},
    "/v1/admin/operators": {"name": "olga", "roles": ["sale"]},
    "/v1/addresses": HOME,
    "/v1/addresses/{address_id}": HOME,
    "/v1/admin/parcels/{parcel_id}/ship": SF,
    "/v1/orders/{order_id}/cases": {"kind": "refund", "units": 1, "reason": "x"},
    "/v1/cases/{case_id}/return": SF,
    "/v1/admin/cases/{case_id}/refuse": {"answer": "x"},
    "/v1/admin/cases/{case_id}/take-in": {"fate": "keep"},
    "/v1/admin/parcels/{parcel_id}/cancel": {"reason": "x"},
    "/v1/rooms/{room_id}/mutes": {"person_id": PERSON_ID, "seconds": 60, "reason": "x"},
    "/v1/rooms/{room_id}/bans": {"person_id": PERSON_ID, "seconds": 60, "reason": "x"},
    "/v1/rooms/{room_id}/items/{item_id}": {"title": "x"},
    "/v1/admin/campaigns/{campaign_id}": {"version": 1, "title": "x"},
    "/v1/admin/drops/{drop_id}": {"version": 1, "campaign_id": "x", "sku_id": "x"},
    "/v1/admin/skus": {"title": "x", "price_fen": 1, "code": "x"},
    "/v1/admin/skus/{sku_id}": {"title": "x", "code": "x"},
    "/v1/admin/products": {"title": "x"},
    "/v1/admin/products/{product_id}": {"title": "x"},
    "/v1/admin/categories": {"path": "x", "title": "x"},
    "/v1/admin/categories/{category_id}": {"path": "x", "title": "x"},
    "/v1/admin/skus/{sku_id}/moves": {"kind": "received", "units": 1, "note": "x"},
    "/v1/rooms/{room_id}/bags": {
        **{"title": "x", "places": 1, "countdown_s": 60},
        **{"coupon": "x", "drop_id": "x", "phrase": "x"},
    },
    "/v1/rooms/{room_id}/drops/{drop_id}/restock": {"units": 1, "reason": "x"},
}
OPTIONAL = {
    ("/v1/drops/{drop_id}/reservations", "quantity"),
    ("/v1/rooms/rnosuch/likes", "count"),
    ("/v1/rooms/rnosuch/mutes", "reason"),
}


def token_for(api: Api, path: str) -> str:
    if path.endswith(("/comments", "/likes")):
        return api.buyer()
    return api.boss if "admin" in path or "rooms" in path else api.buyer()


@pytest.fixture
async def drop_id(api: Api) -> str:
    return await api.open_drop()


async def send(api: Api, drop_id: str, path: str, body: Any = None, **options: Any) -> Any:
    return await api.post(path.format(drop_id=drop_id), body, by=token_for(api, path), **options)


@asynccontextmanager
async def unchanged(api: Api, drop_id: str) -> AsyncIterator[None]:
    """See that nothing changes."""
    before = await api.books(drop_id), (await api.get("/v1/admin/drops", by=api.viewer)).body
    yield
    after = await api.books(drop_id), (await api.get("/v1/admin/drops", by=api.viewer)).body
    assert before == after


async def refuse(api: Api, drop_id: str, path: str, body: Any = None, **options: Any) -> Any:
    """Ask, and see that nothing changed."""
    async with unchanged(api, drop_id):
        return await send(api, drop_id, path, body, **options)


async def test_every_field_of_every_body_is_held_to_its_range(api: Api, drop_id: str) -> None:
    for path, (good, fields) in BODIES.items():
        async with unchanged(api, drop_id):
            for field, value in ((name, value) for name in fields for value in fields[name]):
                case = (path, field, value)
                reply = await send(api, drop_id, path, good | {field: value})
                assert (reply.status, reply.code) == (422, "invalid_field"), case
                assert (reply.body["field"], reply.body["in"]) == (field, "body"), case


def patterned() -> Iterator[tuple[Route, type[Struct], str, str]]:
    """Every field with a pattern of every route: (route, type, field, a value that fits)."""
    for route in ROUTES:
        good = GOOD_BODIES.get(route.path, {})
        for kind in filter(None, (route.body, route.query)):
            for name, schema in msgspec.json.schema_components([kind])[1][kind.__name__][
                "properties"
            ].items():
                if "pattern" in schema:
                    yield route, kind, name, good.get(name, "") if kind is route.body else ""


@pytest.mark.parametrize(
    ("route", "kind", "name", "fits"),
    list(patterned()),
    ids=[f"{route.handler.__name__}.{name}" for route, _, name, _ in patterned()],
)
def test_no_pattern_lets_a_newline_through(
    route: Route, kind: type[Struct], name: str, fits: str
) -> None:
    good = GOOD_BODIES.get(route.path, {}) if kind is route.body else {}
    assert getattr(msgspec.convert({**good, name: fits}, kind), name) == fits
    with pytest.raises(msgspec.ValidationError, match=name):
        msgspec.convert({**good, name: f"{fits}\n"}, kind)


def test_the_document_has_patterns_of_json_schema() -> None:
    found = re.findall(rb'"pattern":"((?:[^"\\]|\\.)*)"', msgspec.json.encode(DOCUMENT))
    assert len(found) > 8
    assert all(pattern.endswith(b"$") for pattern in found)


@pytest.mark.parametrize("title", ["茶 🍵", "👩‍👩‍👧 set", "קפה", "a  b", " x "])
def test_what_people_write_is_a_title(title: str) -> None:
    assert msgspec.convert(GOOD_SKU | {"title": title}, NewSku).title == title


async def test_missing_and_unknown_fields(api: Api, drop_id: str) -> None:
    for path, (good, _) in BODIES.items():
        async with unchanged(api, drop_id):
            for field in good:
                body = {name: value for name, value in good.items() if name != field}
                if (path, field) not in OPTIONAL:
                    reply = await send(api, drop_id, path, body)
                    assert (reply.code, reply.body["field"]) == ("missing_field", field), path
            for field in ("surprise", "", "amount_fen", "é", "__proto__"):
                reply = await send(api, drop_id, path, good | {field: 1})
                assert (reply.status, reply.code) == (422, "unknown_field"), (path, field)
                assert (reply.body["field"], reply.body["in"]) == (field, "body"), path


NO_OBJECTS = [
    (b"{", "malformed_json"),
    (b"{}}", "malformed_json"),
    (b"nonsense", "malformed_json"),
    (b'{"quantity": 1,}', "malformed_json"),
    (b'{"quantity": NaN}', "malformed_json"),
    (b"\xff\xfe", "malformed_json"),
    (b"\xef\xbb\xbf{}", "malformed_json"),
    (b'{"\xff": 1}', "malformed_json"),
    (b"[" * 16_000, "invalid_field"),
    (b"[]", "invalid_field"),
    (b"null", "invalid_field"),
    (b'"x"', "invalid_field"),
    (b'{"quantity":' + b"[" * 16_000, "invalid_field"),
    (b'{"' + b"x" * 16_000 + b'":1}', "unknown_field"),
]


async def test_bodies_that_are_no_object(api: Api, drop_id: str) -> None:
    for raw, code in NO_OBJECTS:
        reply = await refuse(api, drop_id, "/v1/drops/{drop_id}/reservations", raw=raw)
        assert reply.code == code, raw[:40]
        assert len(reply.raw) < 1_000


VERBS = ["open", "pause", "resume", "close"]


async def test_verbs_take_an_empty_object_or_nothing(api: Api, drop_id: str) -> None:
    for verb in VERBS:
        reply = await refuse(api, drop_id, f"/v1/admin/drops/{{drop_id}}/{verb}", {"force": True})
        assert (reply.code, reply.body["field"]) == ("unknown_field", "force"), verb


async def test_a_body_is_needed(api: Api, drop_id: str) -> None:
    reply = await refuse(api, drop_id, "/v1/admin/skus")
    assert (reply.status, reply.code) == (400, "malformed_json")


OTHER_KINDS = [
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/json; charset=gbk",
    "application/jsonp",
    "application/problem+json",
    "json",
    "",
]


async def test_another_content_type(api: Api, drop_id: str) -> None:
    for kind in OTHER_KINDS:
        reply = await refuse(
            api, drop_id, "/v1/drops/{drop_id}/reservations", {"quantity": 1}, Content_Type=kind
        )
        assert (reply.status, reply.code) == (415, "unsupported_media_type"), kind


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"']
)
async def test_the_same_content_type_spelled_otherwise(api: Api, drop_id: str, kind: str) -> None:
    reply = await api.post(
        f"/v1/drops/{drop_id}/reservations", {"quantity": 1}, by=api.buyer(), Content_Type=kind
    )
    assert reply.status == 201


async def test_a_body_over_the_limit(api: Api, drop_id: str) -> None:
    reply = await refuse(api, drop_id, "/v1/admin/skus", {"title": "x" * 20_000, "price_fen": 1})
    assert (reply.status, reply.code) == (413, "body_too_large")


async def test_compressed_bodies_are_not_taken(api: Api, drop_id: str) -> None:
    for raw in (gzip.compress(b'{"title": "x", "price_fen": 1}'), b"not gzip"):
        for encoding in ("gzip", "deflate", "identity, gzip", "x"):
            reply = await refuse(api, drop_id, "/v1/admin/skus", raw=raw, Content_Encoding=encoding)
            assert (reply.status, reply.code) == (415, "unsupported_media_type"), encoding
    plain = await api.post("/v1/admin/skus", GOOD_SKU, by=api.boss, Content_Encoding="identity")
    assert plain.status == 201


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Encoding: gzip\r\nContent-Length: 8\r\n\r\nnot gzip",
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"Content-Length: 10\r\n\r\nab",
    ],
    ids=["encoding", "chunk", "in a chunk", "length"],
)
@pytest.mark.parametrize("path", [b"/v1/sessions", b"/v1/nothing"])
async def test_a_torn_body_leaves_no_error_in_the_log(
    api: Api, caplog: pytest.LogCaptureFixture, path: bytes, body: bytes
) -> None:
    server = api._runner.server
    assert server is not None
    # when: a client sends a part, and hangs up
    with capture_logs() as seen:
        _, writer = await asyncio.open_connection("127.0.0.1", api.port)
        head = b"POST " + path + b" HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        headers, end, rest = body.partition(b"\r\n\r\n")
        writer.write(head + headers + end)
        await _until_connected(server, True)
        await asyncio.sleep(0.05)  # in a segment of its own, when the request is being answered
        writer.write(rest)
        writer.close()
        await _until_connected(server, False)
        await asyncio.sleep(0)  # the handler learns of it
    # then: nothing of a fault or of an answer of 5xx; the access log samples what it likes
    assert [line for line in seen if line["log_level"] not in {"debug", "info"}] == []
    assert [record for record in caplog.records if record.levelname != "DEBUG"] == []


async def _until_connected(server: web.Server, connected: bool) -> None:
    while bool(server.connections) is not connected:  # noqa: ASYNC110  aiohttp has no event for it
        await asyncio.sleep(0.01)


BAD_KEYS = ["", " ", "a b", "x" * 65, "é", "a\tb"]


async def test_idempotency_keys(api: Api, drop_id: str) -> None:
    for key in BAD_KEYS:
        path = "/v1/drops/{drop_id}/reservations"
        reply = await refuse(api, drop_id, path, {"quantity": 1}, Idempotency_Key=key)
        assert (reply.status, reply.code) == (400, "invalid_parameter"), key
        assert (reply.body["field"], reply.body["in"]) == ("Idempotency-Key", "header")


BAD_QUERIES = [
    ("limit=0", "invalid_parameter", "limit"),
    ("limit=101", "invalid_parameter", "limit"),
    ("limit=x", "invalid_parameter", "limit"),
    ("limit=1.5", "invalid_parameter", "limit"),
    ("limit=", "invalid_parameter", "limit"),
    ("limit=1&limit=2", "invalid_parameter", "limit"),
    ("after=nonsense", "invalid_parameter", "after"),
    ("after=1.x' or 1=1", "invalid_parameter", "after"),
    ("after=99999999999999.x-0123456789abcdef", "invalid_parameter", "after"),
    ("buyer_id=bob", "unknown_parameter", "buyer_id"),
    ("%00=1", "unknown_parameter", "\x00"),
]


async def test_queries(api: Api) -> None:
    for query, code, field in BAD_QUERIES:
        reply = await api.get(f"/v1/orders?{query}", by=api.buyer())
        assert (reply.status, reply.code) == (400, code), query
        assert (reply.body["field"], reply.body["in"]) == (field, "query")


async def test_no_route_takes_unknown_queries(api: Api, drop_id: str) -> None:
    reply = await refuse(api, drop_id, "/v1/drops/{drop_id}/reservations?quantity=3")
    assert (reply.code, reply.body["field"]) == ("unknown_parameter", "quantity")


NO_PATHS = ["/v1", "/v1/nothing", "/v1/drops/x/y", "/V1/time", "/v1//time"]


async def test_paths_that_lead_nowhere(api: Api) -> None:
    for path in NO_PATHS:
        reply = await api.get(path)
        assert (reply.status, reply.code) == (404, "not_found"), path


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/v1/time", "GET, HEAD"),
        ("DELETE", "/v1/sessions", "POST"),
        ("OPTIONS", "/v1/reservations/x", "DELETE, GET, HEAD"),
        ("PATCH", "/v1/admin/drops", "GET, HEAD, POST"),
        ("PATCH", "/v1/drops/x/reservations", "POST"),
    ],
)
async def test_other_methods(api: Api, method: str, path: str, allow: str) -> None:
    reply = await api.ask(method, path)
    assert (reply.status, reply.code) == (405, "method_not_allowed")
    assert reply.headers["Allow"] == allow


async def test_head_is_get_without_a_body(api: Api) -> None:
    reply = await api.ask("HEAD", "/v1/time")
    assert (reply.status, reply.raw, reply.headers["Content-Type"]) == (
        200,
        b"",
        "application/json",
    )


async def send_bytes(api: Api, raw: bytes) -> tuple[int, dict[str, Any]]:
    """Bytes on a connection of one's own: the status and the problem that come back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(raw)
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    assert "application/problem+json" in head
    length = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0])
    body = msgspec.json.decode(await reader.readexactly(length))
    writer.close()
    return int(head.split(" ")[1]), body


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        (b"nonsense\r\n\r\n", 400, "malformed_request"),
        (b"GET / HTTP/9.9\r\n\r\n", 400, "malformed_request"),
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 404, "not_found"),
        (b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 404, "not_found"),
        (b"GET /v1/time HTTP/1.1\r\nno colon\r\n\r\n", 400, "malformed_request"),
        (b"GET /v1/time HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400, "malformed_request"),
        (
            b"POST /v1/sessions HTTP/1.1\r\nContent-Length: 1\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            "malformed_request",
        ),
        (b"GET /" + b"x" * 9_000 + b" HTTP/1.1\r\n\r\n", 431, "headers_too_large"),
        (b"GET /v1/time HTTP/1.1\r\nX: " + b"x" * 9_000 + b"\r\n\r\n", 431, "headers_too_large"),
        (
            b"POST /v1/sessions HTTP/1.1\r\nHost: a\r\nExpect: a-miracle\r\n\r\n",
            417,
            "expectation_failed",
        ),
        (
            b"GET /v1/orders HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a\r\n"
            b"Authorization: Bearer b\r\n\r\n",
            401,
            "invalid_token",
        ),
    ],
)
async def test_what_is_hardly_http(api: Api, raw: bytes, status: int, code: str) -> None:
    found, problem = await send_bytes(api, raw)
    assert (found, problem["code"], problem["status"]) == (status, code, status)


async def test_a_body_that_was_announced_too_large_is_not_waited_for(api: Api) -> None:
    head = b"POST /v1/sessions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    status, problem = await send_bytes(api, head + b"Content-Length: 99999999\r\n\r\n")
    assert (status, problem["code"]) == (413, "body_too_large")


async def test_a_body_that_does_not_come(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livesale.web.endpoint.BODY_TIMEOUT_S", 0.05)
    head = b"POST /v1/sessions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    status, problem = await send_bytes(api, head + b"Content-Length: 10\r\n\r\n{")
    assert (status, problem["code"]) == (408, "request_timeout")


async def test_request_ids_are_echoed_when_they_are_sane(api: Api) -> None:
    mine = await api.get("/v1/time", X_Request_Id="my-id_1.2:3")
    odd = await api.get("/v1/time", X_Request_Id="a b")
    none = await api.get("/v1/nothing")
    assert mine.headers["X-Request-Id"] == "my-id_1.2:3"
    made = {odd.headers["X-Request-Id"], none.headers["X-Request-Id"]}
    assert len(made) == 2
    assert "a b" not in made
