"""`python -m scripts.write_tables`: writes the parts of docs/ and the SQL that come from code."""

import re
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.schema import CreateIndex, CreateTable

from livesale.access.actions import PERMISSIONS
from livesale.access.roles import Role
from livesale.app import FEATURES
from livesale.database.tables import metadata
from livesale.feature import problems_of
from livesale.web.problems import ProblemKind

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
SQLITE_HEAD = ROOT / "livesale/database/head.sqlite.sql"


def _place(kind: ProblemKind) -> tuple[int, str]:
    return kind.status, kind.code


def problems() -> list[list[str]]:
    """The rows for docs/api.md: every problem, by status and code."""
    return [
        [f"`{kind.code}`", str(kind.status), str(kind.retry_after_s or ""), kind.advice]
        for kind in sorted(problems_of(FEATURES).values(), key=_place)
    ]


def roles() -> list[list[str]]:
    """The rows for docs/operators.md: every action, and which roles may do it."""
    return [
        [f"`{action}`", one.about, *("✓" if role in one.roles else "" for role in Role)]
        for action, one in PERMISSIONS.items()
    ]


def put(page: str, heading: str, rows: list[list[str]]) -> None:
    """Replace the rows of the first table under a `##` heading."""
    path = DOCS / page
    before, section = re.split(rf"^## {heading}$", path.read_text(), maxsplit=1, flags=re.M)
    lines = section.split("\n")
    first = next(at for at, line in enumerate(lines) if line.startswith("|")) + 2
    last = first
    while lines[last].startswith("|"):
        last += 1
    lines[first:last] = [f"| {' | '.join(row)} |" for row in rows]
    path.write_text(f"{before}## {heading}" + "\n".join(lines))


def sqlite_head() -> str:
    """The DDL of every table for SQLite: `livesale.database.schema` reads it."""
    dialect = create_engine("sqlite://").dialect
    statements = []
    for table in metadata.sorted_tables:
        statements.append(str(CreateTable(table).compile(dialect=dialect)).strip())
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        statements += [str(CreateIndex(index).compile(dialect=dialect)) for index in indexes]
    lines = "\n".join(f"{statement};" for statement in statements).splitlines()
    return "\n".join(line.replace("\t", "    ").rstrip() for line in lines) + "\n"


if __name__ == "__main__":
    put("api.md", "Problems", problems())
    put("operators.md", "Roles", roles())
    SQLITE_HEAD.write_text(sqlite_head())
