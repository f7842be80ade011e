"""Tables that people send: what is read, and a clear word for what is not."""

import io
import zipfile
from typing import Any

import pytest
from openpyxl import Workbook

from livesale.spreadsheets.reading import read
from livesale.spreadsheets.service import FileRefused, Spreadsheets
from livesale.spreadsheets.sheet import MAX_ROWS
from livesale.spreadsheets.writing import neutral, write_csv
from livesale.workshop.bench import WorkRefused

ROWS: list[list[Any]] = [["title", "price", "价格"], ["茶 🍵", 12.5, 3], ["x", None, "09"]]


def xlsx(rows: list[list[Any]], merged: str = "", second: str = "") -> bytes:
    book = Workbook()
    sheet = book.worksheets[0]
    for row in rows:
        sheet.append(row)
    if merged:
        sheet.merge_cells(merged)
    if second:
        book.create_sheet("notes").merge_cells(second)
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def test_an_xlsx_and_a_csv_say_the_same() -> None:
    text = "title,price,价格\r\n茶 🍵,12.5,3\r\n\r\nx,,09\r\n"
    for raw in (
        xlsx([*ROWS[:2], [], ROWS[2]], second="A1:B2"),
        text.encode(),
        text.encode("utf-8-sig"),
        text.replace(",", ";").encode(),
        text.replace(",", "\t").encode(),
    ):
        sheet = read(raw)
        assert sheet.columns == ["title", "price", "价格"]
        assert [(row.number, row.cells) for row in sheet.rows] == [
            (2, ["茶 🍵", "12.5", "3"]),
            (4, ["x", "", "09"]),
        ]


def test_gbk_is_read() -> None:
    text = "标题,价格\r\n明前龙井绿茶，礼盒装,99\r\n"
    assert read(text.encode("gbk")).rows[0].cells == ["明前龙井绿茶，礼盒装", "99"]


def zipped(name: str, raw: bytes = b"x") -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, raw)
    return target.getvalue()


REFUSED = {
    "utf-16": ("标题,价格\nx,1\n".encode("utf-16"), "file_encoding", "UTF-16"),
    "big5": ("標題,價格\n龍井綠茶禮盒,1\n".encode("big5"), "file_encoding", "UTF-8"),
    "shift-jis": ("タイトル,価格\n緑茶セット,1\n".encode("shift-jis"), "file_encoding", "UTF-8"),
    "latin-1": ("título,precio\ncafé año,1\n".encode("latin-1"), "file_encoding", "UTF-8"),
    "old excel": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "file_kind", "xls"),
    "binary": (b"\x00\x01\x02", "file_kind", "no text"),
    "zip": (zipped("a.txt"), "file_kind", "ZIP"),
    "broken xlsx": (zipped("xl/workbook.xml"), "file_broken", "xlsx"),
    "truncated xlsx": (xlsx(ROWS)[:-500], "file_broken", "xlsx"),
    "merged": (xlsx(ROWS, merged="A2:A3"), "file_merged", "A2:A3"),
    "same header": (b"title,price,Title\nx,1,y\n", "file_header", "Title"),
    "no header": (b"title,,price\nx,1,y\n", "file_header", "2"),
    "more cells": (b"title\nx,1\n", "file_header", "Row 2"),
    "many columns": (b",".join(b"c%d" % n for n in range(61)) + b"\nx\n", "file_header", "60"),
    "empty": (b"\n\n", "file_header", "empty"),
    "only a header": (b"title,price\n", "file_rows", "no rows"),
    "long cell": (b"title\n" + b"x" * 12_001, "file_rows", "Row 2"),
    "open quote": (b'title\n"x\n', "file_broken", "Row"),
    "million rows": (b"title\n" + b"x\n" * 1_000_000, "file_rows", f"{MAX_ROWS:,}"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_read_gets_a_clear_word(name: str) -> None:
    raw, code, said = REFUSED[name]
    with pytest.raises(WorkRefused) as refused:
        read(raw)
    assert refused.value.code == code
    assert said in refused.value.detail


async def test_rows_without_end_and_a_zip_that_unpacks_to_too_much() -> None:
    # given an xlsx whose sheet goes on and on: small packed, and enormous unpacked
    head = (
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    )
    row = b'<row><c t="inlineStr"><is><t>title</t></is></c></row>'
    source = zipfile.ZipFile(io.BytesIO(xlsx(ROWS)))

    def with_sheet(raw: bytes) -> bytes:
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for entry in source.infolist():
                is_sheet = entry.filename == "xl/worksheets/sheet1.xml"
                archive.writestr(entry.filename, raw if is_sheet else source.read(entry))
        return target.getvalue()

    spreadsheets = Spreadsheets(timeout_s=200)
    for raw in (
        with_sheet(head + row * 100_000 + b"</sheetData></worksheet>"),
        with_sheet(head + bytes(301 << 20)),
    ):
        # when it is read, in a process of its own
        with pytest.raises(FileRefused) as refused:
            await spreadsheets.read(raw)
        # then that is said
        assert refused.value.code == "file_rows"
    # and: an entity that would grow without end is refused
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>' + head + b"&b;"
    with pytest.raises(FileRefused) as refused:
        await spreadsheets.read(with_sheet(bomb))
    assert refused.value.code == "file_broken"


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1", '=HYPERLINK("https://x")']
)
def test_no_cell_of_an_export_is_a_formula(cell: str) -> None:
    assert neutral(cell) == f"'{cell}"
    raw = write_csv(["title", "price"], [[cell, -5], ["fine = x", None]])
    assert raw.startswith(b"\xef\xbb\xbf")
    # and what was read again is what it was
    rows = read(raw).rows
    assert [row.cells for row in rows] == [[cell.strip(), "-5"], ["fine = x", ""]]
