"""`python -m scripts.write_tables`: writes the tables of docs/ that are made from the code."""

import re
from pathlib import Path

import livesale.app  # noqa: F401  declares every problem
from livesale.web.problems import PROBLEMS

DOCS = Path(__file__).parent.parent / "docs"


def problems() -> list[list[str]]:
    """The rows of docs/api.md: every problem, by status and code."""
    return [
        [f"`{kind.code}`", str(kind.status), str(kind.retry_after_s or ""), kind.advice]
        for kind in sorted(PROBLEMS.values(), key=lambda kind: (kind.status, kind.code))
    ]


def put(page: str, heading: str, rows: list[list[str]]) -> None:
    """Replace the rows of the first table under a heading of the second order."""
    path = DOCS / page
    before, section = re.split(rf"^## {heading}$", path.read_text(), maxsplit=1, flags=re.M)
    lines = section.split("\n")
    first = next(at for at, line in enumerate(lines) if line.startswith("|")) + 2
    last = first
    while lines[last].startswith("|"):
        last += 1
    lines[first:last] = [f"| {' | '.join(row)} |" for row in rows]
    path.write_text(f"{before}## {heading}" + "\n".join(lines))


if __name__ == "__main__":
    put("api.md", "Problems", problems())
