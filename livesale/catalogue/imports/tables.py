"""Imports of goods, and their rows."""

from sqlalchemy import BigInteger, Column, Index, Integer, String

from livesale.database.tables import Id, Payload, State, Table, metadata

imports = Table(
    "imports",
    metadata,
    Column("import_id", Id, primary_key=True),
    Column("request_id", String(64), nullable=False),  # who asked, by which key
    Column("digest", String(64), nullable=False),  # of the file
    Column("name", String(200), nullable=False),
    Column("state", State, nullable=False),  # waiting, done
    Column("columns", Payload, nullable=False),  # JSON: the header of the file
    Column("rows", Integer, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger, nullable=True),
    Index("imports_by_request", "request_id", unique=True),
    Index("imports_by_state", "state", "import_id"),
)

import_rows = Table(
    "import_rows",
    metadata,
    Column("import_id", Id, primary_key=True),
    Column("row", Integer, primary_key=True, autoincrement=False),  # as the file numbers it
    Column("cells", Payload, nullable=False),  # JSON
    Column("state", State, nullable=False),  # waiting, good, bad
    Column("reason", String(500), nullable=False),
    Column("product_id", Id, nullable=True),
    Column("sku_id", Id, nullable=True),
    Index("import_rows_by_state", "import_id", "state", "row"),
)
