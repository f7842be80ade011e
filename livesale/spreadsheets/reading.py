"""Reads xlsx and csv, in a process of its own: run by a Workshop."""

import csv
import io
import re
import sys
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from livesale.spreadsheets.sheet import MAX_CELL, MAX_COLUMNS, MAX_ROWS, Sheet, SheetRow
from livesale.workshop.bench import WorkRefused, serve

MODULE = "livesale.spreadsheets.reading"
MAX_UNPACKED = 300 << 20  # bytes of all parts of an xlsx
MAX_PARTS = 2_000
_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\s+ref="([A-Z0-9:$]{1,30})"')
_OLD_EXCEL = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_NEUTRAL = re.compile(r"^'(?=[=+\-@\t\r＝＋－＠])")
_SAVE = "Save it as xlsx, or as csv in UTF-8."


def read(raw: bytes) -> Sheet:
    """Raises WorkRefused: file_kind, file_encoding, file_header, file_merged, file_rows,
    file_broken."""
    if raw.startswith(b"PK\x03\x04"):
        return _sheet("xlsx", _xlsx_rows(raw))
    if raw.startswith(_OLD_EXCEL):
        raise WorkRefused("file_kind", f"This is a file of the old Excel (xls). {_SAVE}")
    return _sheet("csv", _csv_rows(_decode(raw)))


def _sheet(kind: str, rows: Iterator[tuple[int, list[str]]]) -> Sheet:
    columns: list[str] = []
    found: list[SheetRow] = []
    for number, cells in rows:
        if not any(cells):
            continue
        if not columns:
            columns = _header(cells)
            continue
        if len(found) >= MAX_ROWS:
            raise WorkRefused("file_rows", f"At most {MAX_ROWS:,} rows are read from one file.")
        if any(cells[len(columns) :]):
            raise WorkRefused("file_header", f"Row {number} has more cells than the header.")
        for name, cell in zip(columns, cells, strict=False):
            if len(cell) > MAX_CELL:
                raise WorkRefused(
                    "file_rows", f"Row {number}, {name}: at most {MAX_CELL:,} characters."
                )
        cells = cells[: len(columns)] + [""] * (len(columns) - len(cells))
        found.append(SheetRow(number, cells))
    if not columns:
        raise WorkRefused("file_header", "The file is empty.")
    if not found:
        raise WorkRefused("file_rows", "The file has a header and no rows.")
    return Sheet(kind, columns, found)


def _header(cells: Sequence[str]) -> list[str]:
    names = list(cells)
    while names and not names[-1]:
        names.pop()
    if len(names) > MAX_COLUMNS:
        raise WorkRefused("file_header", f"At most {MAX_COLUMNS} columns are read.")
    seen: set[str] = set()
    for place, name in enumerate(names, 1):
        if not name:
            raise WorkRefused("file_header", f"Column {place} has no name.")
        if name.casefold() in seen:
            raise WorkRefused("file_header", f"The column {name[:50]} comes twice.")
        seen.add(name.casefold())
    return names


def _xlsx_rows(raw: bytes) -> Iterator[tuple[int, list[str]]]:
    from openpyxl import load_workbook

    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as parts:
            _check_parts(parts)
        book = load_workbook(io.BytesIO(raw), read_only=True, data_only=True, keep_links=False)
        sheet = book.worksheets[0]
        for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
            yield number, [_text(value) for value in row[: MAX_COLUMNS + 1]]
    except WorkRefused:
        raise
    except MemoryError:
        raise WorkRefused("file_rows", "It needs too much memory.") from None
    except Exception as fault:  # openpyxl raises whatever the XML leads it to
        reason = f"The xlsx file cannot be read: {type(fault).__name__}."
        raise WorkRefused("file_broken", reason) from None


def _check_parts(parts: zipfile.ZipFile) -> None:
    """Refuse what is no workbook, unpacks to too much, or has merged cells in its first sheet."""
    entries = parts.infolist()
    names = {entry.filename for entry in entries}
    if "xl/workbook.xml" not in names:
        raise WorkRefused("file_kind", f"This is a ZIP archive, and no xlsx. {_SAVE}")
    if len(entries) > MAX_PARTS or sum(entry.file_size for entry in entries) > MAX_UNPACKED:
        raise WorkRefused("file_rows", "It unpacks to too much.")
    first = _first_sheet(parts)
    if first in names:
        # Read in pieces: what a part says of its size may be false.
        rest, size = b"", 0
        with parts.open(first) as part:
            while piece := part.read(1 << 20):
                size += len(piece)
                if size > MAX_UNPACKED:
                    raise WorkRefused("file_rows", "It unpacks to too much.")
                merged = _MERGED.search(rest + piece)
                if merged:
                    place = merged[1].decode()
                    raise WorkRefused(
                        "file_merged", f"The cells {place} are merged: unmerge them, and fill each."
                    )
                rest = piece[-100:]


def _first_sheet(parts: zipfile.ZipFile) -> str:
    from defusedxml.ElementTree import fromstring

    book = fromstring(parts.read("xl/workbook.xml"))
    links = fromstring(parts.read("xl/_rels/workbook.xml.rels"))
    sheet = next(one for one in book.iter() if one.tag.endswith("}sheet"))
    wanted = next(value for name, value in sheet.attrib.items() if name.endswith("}id"))
    target = next(one.attrib["Target"] for one in links.iter() if one.attrib.get("Id") == wanted)
    return str(target).lstrip("/") if str(target).startswith("/") else f"xl/{target}"


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    return _bare(str(value))


def _bare(text: str) -> str:
    return _NEUTRAL.sub("", text.strip()).strip()


def _decode(raw: bytes) -> str:
    """UTF-8, or GBK as Excel writes it in China; everything else gets a clear word."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise WorkRefused("file_encoding", f"The file is in UTF-16. {_SAVE}")
    if b"\x00" in raw[:4_096]:
        raise WorkRefused("file_kind", f"This is no text and no xlsx. {_SAVE}")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        text = raw.decode("gb18030")
    except UnicodeDecodeError:
        raise _unknown_encoding() from None
    # Many bytes are valid GBK by accident. Real Chinese is of the few thousand common characters.
    foreign = [char for char in text if ord(char) > 127]
    if sum(map(_is_common, foreign)) < 0.9 * len(foreign):
        raise _unknown_encoding()
    return text


def _unknown_encoding() -> WorkRefused:
    return WorkRefused("file_encoding", f"The file is neither in UTF-8 nor in GBK. {_SAVE}")


def _is_common(char: str) -> bool:
    try:
        first = char.encode("gb2312")[0]
    except UnicodeEncodeError:
        return False
    return first < 0xD8  # punctuation, and the 3,755 characters of the first level


def _csv_rows(text: str) -> Iterator[tuple[int, list[str]]]:
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    csv.field_size_limit(10 * MAX_CELL)
    lines: Iterable[list[str]] = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, strict=True
    )
    number = 0
    try:
        for number, cells in enumerate(lines, 1):
            yield number, [_bare(cell) for cell in cells]
    except csv.Error as fault:
        raise WorkRefused("file_broken", f"Row {number + 1}: {fault}.") from None


def _work(raw: bytes, _arguments: Sequence[str]) -> bytes:
    return msgspec.msgpack.encode(read(raw))


if __name__ == "__main__":
    serve(_work)
    sys.exit(1)
