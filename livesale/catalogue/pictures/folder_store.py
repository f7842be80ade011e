"""Files of pictures in a folder of this machine."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

from livesale.catalogue.pictures.media_store import MediaUnavailable


class FolderStore:
    """Files in a folder, two letters of the name deep. All API workers must see the same one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        yield

    async def put(self, name: str, raw: bytes, content_type: str) -> None:
        try:
            await asyncio.to_thread(self._write, self._folder / name[:2] / name, raw)
        except OSError as error:
            raise MediaUnavailable(f"{error.strerror}") from None

    async def get(self, name: str) -> bytes | None:
        try:
            return await asyncio.to_thread((self._folder / name[:2] / name).read_bytes)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise MediaUnavailable(f"{error.strerror}") from None

    def _write(self, path: Path, raw: bytes) -> None:
        if path.exists():
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        beside = path.with_name(f".{path.name}.{uuid4().hex}")
        try:
            with open(beside, "xb", opener=_private) as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            beside.rename(path)
        finally:
            beside.unlink(missing_ok=True)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
