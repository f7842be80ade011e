"""Reads tables that people send."""

import msgspec

from livesale.spreadsheets.reading import MODULE
from livesale.spreadsheets.sheet import Sheet
from livesale.validation.refusals import SalesFault
from livesale.workshop.bench import WorkRefused
from livesale.workshop.workshop import WorkFailed, Workshop

TIMEOUT_S = 30.0
MEMORY_MIB = 1_024
MAX_READ_BYTES = 128 << 20


class FileRefused(SalesFault):
    """Codes: file_kind, file_encoding, file_header, file_merged, file_rows, file_broken."""


class Spreadsheets:
    """One per process. A file that takes longer than `timeout_s` is refused as file_broken."""

    def __init__(self, timeout_s: float = TIMEOUT_S) -> None:
        self._workshop = Workshop(
            MODULE,
            at_once=1,
            timeout_s=timeout_s,
            memory_mib=MEMORY_MIB,
            most_bytes=MAX_READ_BYTES,
        )

    async def read(self, raw: bytes) -> Sheet:
        """The first sheet of an xlsx, or a csv in UTF-8 or GBK. Raises FileRefused or Crowded."""
        try:
            found = await self._workshop.work(raw)
        except WorkRefused as why:
            raise FileRefused(why.code, why.detail) from None
        except WorkFailed as why:
            raise FileRefused("file_broken", f"It could not be read: {why}.") from None
        return msgspec.msgpack.decode(found, type=Sheet)
