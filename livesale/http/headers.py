"""What is asked of the headers of a request: aiohttp's, or those of a plain head."""

from collections.abc import Sequence
from typing import Protocol


class Headers(Protocol):
    def get(self, name: str, /) -> str | None: ...

    def getall(self, name: str, default: Sequence[str], /) -> Sequence[str]: ...
