"""Pictures that were uploaded."""

from sqlalchemy import BigInteger, Column, Index, Integer, String

from livesale.database.tables import Payload, Table, metadata

pictures = Table(
    "pictures",
    metadata,
    Column("picture_id", String(32), primary_key=True),  # a hash of the file that was uploaded
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("files", Payload, nullable=False),  # JSON: the files of each size
    Column("actor", String(80), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Index("pictures_by_time", "created_ms", "picture_id"),
)
