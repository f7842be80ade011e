"""The port for the files of pictures. `FolderStore` and `S3Store` implement it. No I/O.

Names are hashes of the content: a file is written once, and never changed.
"""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from livesale.errors import LivesaleError


class MediaUnavailable(LivesaleError):
    """The store of pictures does not answer, or refuses us. The text has no secret."""


class MediaStore(Protocol):
    def running(self) -> AbstractAsyncContextManager[None]:
        """Opens the connections; all other methods need it."""
        ...

    async def put(self, name: str, raw: bytes, content_type: str) -> None:
        """Keep a file durably; the same one again is no fault. Raises MediaUnavailable."""
        ...

    async def get(self, name: str) -> bytes | None:
        """A file, None if there is none. Raises MediaUnavailable."""
        ...
