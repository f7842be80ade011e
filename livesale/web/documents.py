"""Documents that change with a release only: compressed once, and sent once to each cache."""

import gzip
from collections.abc import Mapping
from hashlib import sha256

from msgspec import Struct

from livesale.web.routes import JSON, Answer

CACHE_CONTROL = "public, max-age=300, must-revalidate"


class Document:
    """A document, as it is and compressed. Both have tags of their own, as RFC 9110 asks."""

    def __init__(
        self, raw: bytes, content_type: str = JSON, headers: Mapping[str, str] | None = None
    ) -> None:
        self._content_type = content_type
        tag = sha256(raw).hexdigest()[:24]
        common = {**(headers or {}), "Cache-Control": CACHE_CONTROL, "Vary": "Accept-Encoding"}
        packed = gzip.compress(raw, mtime=0)
        self._plain = self._answers(raw, {**common, "ETag": f'"{tag}"'})
        self._packed = self._answers(
            packed, {**common, "ETag": f'"{tag}-gzip"', "Content-Encoding": "gzip"}
        )
        self._tags = {f'"{tag}"', f'"{tag}-gzip"', "*"}

    def answer(self, asked: Mapping[str, str]) -> Answer:
        """200 with the document, or 304 when the client says that it has this one."""
        whole, same = self._packed if takes_gzip(asked.get("Accept-Encoding", "")) else self._plain
        known = asked.get("If-None-Match")
        if known is not None and any(_bare(tag) in self._tags for tag in known.split(",")):
            return same
        return whole

    def _answers(self, body: bytes, headers: dict[str, str]) -> tuple[Answer, Answer]:
        same = {name: text for name, text in headers.items() if name != "Content-Encoding"}
        return (
            Answer(200, body, self._content_type, headers),
            Answer(304, b"", self._content_type, same),
        )


class Documents(Struct, frozen=True):
    """What describes the service: to programs, and to people."""

    openapi: Document
    asyncapi: Document
    docs: Document


def takes_gzip(accepted: str) -> bool:
    """Whether an Accept-Encoding names gzip, and does not refuse it."""
    for part in accepted.lower().split(","):
        name, _, weight = part.partition(";")
        if name.strip() in ("gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _bare(tag: str) -> str:
    return tag.strip().removeprefix("W/")
