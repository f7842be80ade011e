"""Files of pictures in an S3-compatible store, with requests signed by AWS Signature Version 4.

The signature is thirty lines of hashes; a test compares it with that of botocore.
"""

import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

from msgspec import Struct
from yarl import URL

from livesale.catalogue.pictures.media_store import MediaUnavailable
from livesale.settings import MediaSettings
from livesale.tasks.turns import Crowded
from livesale.wechat.client import Answer, Bounds, NoAnswer, NotAsked, Outgoing

TIMEOUT_S = 15.0
MAX_FILE_BYTES = 8 << 20
TRIES = 2
_ALGORITHM = "AWS4-HMAC-SHA256"


class Credentials(Struct, frozen=True):
    key_id: str
    secret: str
    region: str

    def __repr__(self) -> str:
        return f"Credentials({self.key_id!r})"


class S3Store:
    """Objects under one URL: `https://bucket.host`, or `https://host/bucket`."""

    def __init__(self, settings: MediaSettings) -> None:
        self._base = settings.s3_url.rstrip("/")
        self._credentials = Credentials(
            settings.s3_key_id, settings.s3_secret.get_secret_value(), settings.s3_region
        )
        self._outgoing = Outgoing(self._base, TIMEOUT_S, Bounds(at_once=16, per_s=None))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with self._outgoing.running():
            yield

    async def put(self, name: str, raw: bytes, content_type: str) -> None:
        headers = {
            "Content-Type": content_type,
            "Cache-Control": "public, max-age=31536000, immutable",
        }
        answer = await self._ask("PUT", name, raw, headers)
        if answer.status not in (200, 201, 204):
            raise MediaUnavailable(f"the store answered {answer.status} to a PUT")

    async def get(self, name: str) -> bytes | None:
        answer = await self._ask("GET", name, b"", {})
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise MediaUnavailable(f"the store answered {answer.status} to a GET")
        return answer.body

    async def _ask(self, method: str, name: str, raw: bytes, headers: Mapping[str, str]) -> Answer:
        url = f"{self._base}/{name}"
        fault = ""
        for _ in range(TRIES):  # both methods may be repeated
            signed = sign(self._credentials, method, url, headers, raw, datetime.now(UTC))
            try:
                answer = await self._outgoing.ask(
                    method,
                    URL(url, encoded=True),
                    MAX_FILE_BYTES,
                    headers=signed,
                    data=raw or None,
                    skip_auto_headers=["Content-Type"],
                )
            except (NotAsked, NoAnswer, Crowded) as error:
                fault = str(error)
                continue
            if answer.status < 500:
                return answer
            fault = f"the store answered {answer.status}"
        raise MediaUnavailable(fault)


def sign(
    credentials: Credentials,
    method: str,
    url: str,
    headers: Mapping[str, str],
    raw: bytes,
    at: datetime,
) -> dict[str, str]:
    """The headers with a signature over all of them, the URL (without a query) and the body."""
    parts = urlsplit(url)
    digest = hashlib.sha256(raw).hexdigest()
    stamp = at.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{credentials.region}/s3/aws4_request"
    sent = {
        **headers,
        "Host": parts.netloc,
        "X-Amz-Content-Sha256": digest,
        "X-Amz-Date": stamp,
    }
    lines = {name.lower(): " ".join(text.split()) for name, text in sent.items()}
    names = ";".join(sorted(lines))
    canonical = "\n".join(
        (
            method,
            quote(parts.path, safe="/-_.~%"),
            "",
            *(f"{name}:{lines[name]}" for name in sorted(lines)),
            "",
            names,
            digest,
        )
    )
    text = "\n".join((_ALGORITHM, stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{credentials.secret}".encode()
    for part in scope.split("/"):
        key = _mac(key, part)
    sent["Authorization"] = (
        f"{_ALGORITHM} Credential={credentials.key_id}/{scope}, "
        f"SignedHeaders={names}, Signature={_mac(key, text).hex()}"
    )
    return sent


def _mac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
