"""A twin of an S3-compatible store: objects in memory, and every signature is checked.

botocore, which AWS keeps, computes the signature anew from what has arrived.
"""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

KEY_ID, SECRET, REGION = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "cn-north-1"


class S3Twin:
    """`faults` are statuses that it answers next, in place of what it should."""

    def __init__(self, secret: str = SECRET) -> None:
        self.objects: dict[str, tuple[bytes, str]] = {}
        self.faults: list[int] = []
        self.refused: list[str] = []
        self._credentials = Credentials(KEY_ID, secret)
        self.url = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/pictures%20of%20goods"
        try:
            yield
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        raw = await request.read()
        if self.faults:
            return web.Response(status=self.faults.pop(0))
        why = self._what_is_wrong(request, raw)
        if why:
            self.refused.append(why)
            return web.Response(status=403, text=f"<Error><Code>{why}</Code></Error>")
        name = request.raw_path
        if request.method == "PUT":
            self.objects[name] = raw, request.headers["Content-Type"]
            return web.Response()
        if name not in self.objects:
            return web.Response(status=404)
        found, kind = self.objects[name]
        return web.Response(body=found, content_type=kind)

    def _what_is_wrong(self, request: web.Request, raw: bytes) -> str:
        given = request.headers.get("Authorization", "")
        fields = dict(
            part.strip().split("=", 1) for part in given.partition(" ")[2].split(",") if "=" in part
        )
        if hashlib.sha256(raw).hexdigest() != request.headers.get("X-Amz-Content-Sha256"):
            return "XAmzContentSHA256Mismatch"
        names = fields.get("SignedHeaders", "").split(";")
        if not {"host", "x-amz-date", "x-amz-content-sha256"} <= set(names):
            return "AccessDenied"
        told = AWSRequest(
            request.method,
            f"http://{request.headers['Host']}{request.raw_path}",
            {name: request.headers[name] for name in names},
            raw,
        )
        told.context["timestamp"] = request.headers["X-Amz-Date"]
        auth = S3SigV4Auth(self._credentials, "s3", REGION)
        text = auth.string_to_sign(told, auth.canonical_request(told))
        if auth.credential_scope(told) != fields["Credential"].partition("/")[2]:
            return "AuthorizationHeaderMalformed"
        return "" if auth.signature(text, told) == fields["Signature"] else "SignatureDoesNotMatch"
