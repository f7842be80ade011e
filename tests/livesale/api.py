"""A client of the API for tests: every answer is held against the OpenAPI document."""

from functools import cache
from typing import Any

import aiohttp
import jsonschema_rs
import msgspec
from aiohttp import web

from livesale.app import PARTS, ROUTES
from livesale.resources import Deployment
from livesale.tasks.ttl_cache import TtlCache
from livesale.tokens.signing import TokenSigner
from livesale.web import openapi
from livesale.web.problems import PROBLEMS
from livesale.web.protocol import ApiRunner

DOCUMENT = openapi.describe(ROUTES)
FAR_MS = 4_000_000_000_000


class Reply:
    """An answer that has been read. `body` is parsed JSON, or the text."""

    def __init__(self, response: aiohttp.ClientResponse, raw: bytes) -> None:
        self.status = response.status
        self.headers = response.headers
        self.raw = raw
        self.body: Any = raw.decode(errors="replace")  # a picture is no text
        if "json" in response.content_type and raw:
            self.body = msgspec.json.decode(raw)

    @property
    def code(self) -> str:
        """The code of a problem; it has the form and the status that the table gives it."""
        assert self.headers["Content-Type"] == "application/problem+json", self.raw
        kind = PROBLEMS[self.body["code"]]
        told = (self.status, self.body["status"], self.body["title"])
        assert told == (kind.status, kind.status, kind.title)
        return str(self.body["code"])


class Api:
    """One worker, served by the runner of production on a port of 127.0.0.1."""

    def __init__(self, app: web.Application, deployment: Deployment) -> None:
        self.app = app
        self.deployment = deployment
        self.signer = app[PARTS][TokenSigner]
        self.headers: dict[str, str] = {}

    async def start(self, port: int = 0) -> None:
        http = self.deployment.settings.http
        self._runner = ApiRunner(self.app, http, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.port: int = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._session = aiohttp.ClientSession()

    async def stop(self) -> None:
        await self._session.close()
        await self._runner.cleanup()

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        by: str | None = None,
        raw: bytes | None = None,
        follow: bool = True,
        **headers: str,
    ) -> Reply:
        """`by` is a token; a header Idempotency_Key is sent as Idempotency-Key; `follow` goes
        where a redirect leads."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()} | self.headers
        if by:
            sent["Authorization"] = f"Bearer {by}"
        if body is not None:
            raw = msgspec.json.encode(body)
        if raw is not None:
            sent.setdefault("Content-Type", "application/json")
        async with self._session.request(
            method,
            f"{self.url}{path}",
            data=raw,
            headers=sent,
            skip_auto_headers=["Content-Type"],
            allow_redirects=follow,
        ) as response:
            reply = Reply(response, await response.read())
        check_documented(method, path, reply)
        return reply

    async def get(self, path: str, **options: Any) -> Reply:
        return await self.ask("GET", path, **options)

    async def post(self, path: str, body: Any = None, **options: Any) -> Reply:
        return await self.ask("POST", path, body, **options)

    async def delete(self, path: str, **options: Any) -> Reply:
        return await self.ask("DELETE", path, **options)

    def buyer(self, name: str = "ann") -> str:
        return self.signer.buyer(name)

    @property
    def boss(self) -> str:
        return self.signer.operator("boss", ["operator"])

    @property
    def viewer(self) -> str:
        return self.signer.operator("eve", ["viewer"])

    async def create_drop(self, **changes: Any) -> dict[str, Any]:
        """A draft, through the API, of a campaign that is going on."""
        by = self.boss
        sku = await self.post("/v1/admin/skus", {"title": "Tea", "price_fen": 100}, by=by)
        campaign = await self.post(
            "/v1/admin/campaigns", {"title": "Now", "opens_ms": 0, "closes_ms": FAR_MS}, by=by
        )
        body = {
            "campaign_id": campaign.body["campaign_id"],
            "sku_id": sku.body["sku_id"],
            "price_fen": 1_990,
            "allotted": 10,
            "buyer_limit": 3,
            "hold_ms": 600_000,
        } | changes
        made = await self.post("/v1/admin/drops", body, by=by)
        assert made.status == 201, made.body
        return dict(made.body)

    async def open_drop(self, **changes: Any) -> str:
        """A drop on sale; its id."""
        drop_id = str((await self.create_drop(**changes))["drop_id"])
        opened = await self.post(f"/v1/admin/drops/{drop_id}/open", by=self.boss)
        assert (opened.status, opened.body["state"]) == (200, "open"), opened.body
        return drop_id

    async def reserve(
        self, drop_id: str, buyer: str = "ann", quantity: int = 1, key: str | None = None
    ) -> Reply:
        headers = {"Idempotency_Key": key} if key else {}
        return await self.post(
            f"/v1/drops/{drop_id}/reservations",
            {"quantity": quantity},
            by=self.buyer(buyer),
            **headers,
        )

    async def books(self, drop_id: str) -> dict[str, Any]:
        reply = await self.get(f"/v1/admin/drops/{drop_id}/books", by=self.viewer)
        assert reply.status == 200, reply.body
        return dict(reply.body)


def timeless(body: dict[str, Any]) -> dict[str, Any]:
    """An answer without the time at which it was given."""
    return {name: value for name, value in body.items() if name != "server_ms"}


def outdate(memory: TtlCache[Any]) -> None:
    """As if all that is remembered had been looked up long ago."""
    memory._found = {key: (0.0, value) for key, (_, value) in memory._found.items()}
    memory._missing.clear()


def check_documented(method: str, path: str, reply: Reply) -> None:
    """The answer is one that the document knows for this operation, and has its form."""
    operation = _operation(method, path.partition("?")[0])
    if operation is None:
        return
    known = operation["responses"].get(str(reply.status))
    assert known is not None, f"{method} {path}: {reply.status} is not documented: {reply.raw!r}"
    if reply.status == 304:
        assert reply.raw == b"", "a 304 has no body"
        return
    kind = reply.headers["Content-Type"].partition(";")[0]
    names = (kind, f"{kind.partition('/')[0]}/*", "*/*")
    content = next((known["content"][name] for name in names if name in known["content"]), None)
    assert content is not None, f"{method} {path}: {reply.status} as {kind} is not documented"
    if "json" in kind and "schema" in content and reply.raw:
        _validator_of(msgspec.json.encode(content["schema"])).validate(reply.body)


@cache
def _validator_of(schema: bytes) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(
        {**msgspec.json.decode(schema), "components": DOCUMENT["components"]}
    )


def _operation(method: str, path: str) -> dict[str, Any] | None:
    given = path.split("/")
    for template, operations in DOCUMENT["paths"].items():
        parts = template.split("/")
        if len(parts) == len(given) and all(
            part.startswith("{") or part == piece for part, piece in zip(parts, given, strict=True)
        ):
            found: dict[str, Any] | None = operations.get(method.lower())
            return found
    return None
