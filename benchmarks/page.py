"""Writes a run into docs/benchmarks.md: tables between markers, and pictures."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from benchmarks.headline import headline
from benchmarks.pictures import pictures
from benchmarks.report import Report
from benchmarks.tables import conditions, curve, figures, markdown, verdicts

FIRST = "http"  # its picture stands at the top of the page
DOCS = Path(__file__).parent.parent / "docs"


def write(report: Report, docs: Path = DOCS) -> None:
    """Replace every table and picture. Raises KeyError if the page has no place for a table."""
    drawn = dict(pictures(report))
    put(docs, drawn, _blocks(report, set(drawn)))


def put(docs: Path, drawn: Mapping[str, str], blocks: Iterable[tuple[str, str]]) -> None:
    """Replace pictures by their file names, and tables by their places. Raises KeyError."""
    page, folder = docs / "benchmarks.md", docs / "benchmarks"
    folder.mkdir(exist_ok=True)
    for name, picture in drawn.items():
        (folder / name).write_text(picture, encoding="utf-8")
    text = page.read_text(encoding="utf-8")
    for place, content in blocks:
        text = _put(text, place, content)
    page.write_text(text, encoding="utf-8")


def _blocks(report: Report, drawn: set[str]) -> Iterator[tuple[str, str]]:
    yield "headline", f"{markdown(headline(report.records))}\n\n{conditions(report)}"
    yield "targets", markdown(verdicts(report.verdicts))
    for name, sheet in figures(report):
        content = markdown(sheet)
        if f"{name}.svg" in drawn and name != FIRST:
            content += f"\n\n![{sheet.title}](benchmarks/{name}.svg)"
        if name == "latency" and report.records.curve:
            content += f"\n\n{markdown(curve(report))}"
        yield name, content


def _put(text: str, place: str, content: str) -> str:
    begin, end = f"<!-- {place}: begin -->", f"<!-- {place}: end -->"
    if begin not in text or end not in text:
        raise KeyError(f"docs/benchmarks.md has no place for {place}")
    pattern = re.escape(begin) + ".*?" + re.escape(end)
    return re.sub(pattern, lambda _: f"{begin}\n{content}\n{end}", text, flags=re.DOTALL)
