"""Writes csv for spreadsheets, so that no cell is taken for a formula."""

import csv
import io
from collections.abc import Iterable, Sequence

CONTENT_TYPE = "text/csv"
BOM = "\ufeff"  # without it, Excel does not read UTF-8
# A cell that begins so may run something when it is opened: all get an apostrophe in front.
DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

Cell = str | int | None


def write_csv(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """A table in UTF-8. Numbers stay numbers; texts that look like formulas become texts.

    `livesale.spreadsheets.reading` takes the apostrophe away again.
    """
    target = io.StringIO(newline="")
    writer = csv.writer(target, quoting=csv.QUOTE_MINIMAL)
    writer.writerow([neutral(name) for name in columns])
    writer.writerows([neutral(cell) for cell in row] for row in rows)
    return (BOM + target.getvalue()).encode()


def neutral(cell: Cell) -> str | int:
    """A cell that no spreadsheet computes."""
    if cell is None:
        return ""
    if isinstance(cell, int):
        return cell
    return f"'{cell}" if cell.startswith(DANGEROUS) else cell


def file_headers(name: str) -> dict[str, str]:
    """The headers of an answer that is saved as a file."""
    return {"Content-Disposition": f'attachment; filename="{name}"'}
