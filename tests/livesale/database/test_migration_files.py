"""Migrations change the schema by repeatable steps only: `make check` runs this too."""

import ast
from pathlib import Path

import pytest

VERSIONS = Path(__file__).parents[3] / "livesale/database/migrations/versions"
ALLOWED = {
    "typing",
    "sqlalchemy",
    "sqlalchemy.dialects.mysql",
    "livesale.database.migrations",
}


def faults_of(source: str) -> list[str]:
    """What in a migration could not be repeated after a cut."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [f"import {one.name}" for one in node.names if one.name not in ALLOWED]
        elif isinstance(node, ast.ImportFrom) and node.module not in ALLOWED:
            found.append(f"from {node.module}")
        elif isinstance(node, ast.ImportFrom) and node.module == "livesale.database.migrations":
            found += [f"import {one.name}" for one in node.names if one.name != "steps"]
        elif isinstance(node, ast.FunctionDef) and node.name == "downgrade":
            found.append("downgrade: no command runs it")
        elif isinstance(node, ast.Attribute) and node.attr in ("get_bind", "execute", "_take"):
            found.append(node.attr)
        elif isinstance(node, ast.keyword) and node.arg == "index":
            found.append("index=: write steps.create_index")
    return found


def test_migrations_change_the_schema_by_steps_only() -> None:
    # given every migration, when it is read, then it uses livesale.database.migrations.steps alone
    files = sorted(VERSIONS.glob("[0-9]*.py"))
    assert len(files) >= 11
    assert {file.name: faults for file in files if (faults := faults_of(file.read_text()))} == {}


@pytest.mark.parametrize(
    "source",
    [
        "from alembic import op",
        "import alembic.op",
        "from livesale.database.tables import metadata",
        "from livesale.database.migrations import steps, env",
        "steps.op.get_bind().execute('ALTER TABLE drops')",
        "sa.Column('state', sa.String(12), index=True)",
        "def downgrade() -> None: ...",
    ],
)
def test_anything_else_is_found(source: str) -> None:
    # given a migration that could not be repeated, when it is read, then that is said
    assert faults_of(source)
