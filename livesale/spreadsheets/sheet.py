"""A table that was read. No I/O."""

from msgspec import Struct

MAX_ROWS = 20_000
MAX_COLUMNS = 60
MAX_CELL = 12_000  # characters
MAX_BYTES = 10 << 20  # of a file


class SheetRow(Struct, frozen=True):
    """`number` is that of the file, as spreadsheets show it: the header is often 1."""

    number: int
    cells: list[str]


class Sheet(Struct, frozen=True):
    """Every row has as many cells as there are columns. Rows without anything are left out."""

    kind: str  # xlsx or csv
    columns: list[str]
    rows: list[SheetRow]
