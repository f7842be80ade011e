"""The tables. SQLAlchemy Core; `migrations/` creates them, and a test compares the two.

Hot tables have no autoincrement and no foreign keys, so that TiDB or Vitess would accept them. Only
the writer writes `books`, `orders`, `stock_ledger` and `log_offsets`, in one transaction per batch
of the log; also `payments` and `refunds`, except payments for unknown orders, operators' refunds,
and the progress of a due refund.
Text compares byte by byte: ids of reservations, payments and WeChat users distinguish upper and
lower case, which the default collation of MySQL does not. (SQLite always does.)
"""

from functools import partial

from sqlalchemy import (
    MetaData,
    String,
    Text,
)
from sqlalchemy import Table as SqlTable
from sqlalchemy.dialects.mysql import MEDIUMTEXT

metadata = MetaData()

MYSQL_OPTIONS = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mariadb_engine": "InnoDB",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_bin",
}
Table = partial(SqlTable, **MYSQL_OPTIONS)

Id = String(15)
Rid = String(32)
BuyerId = String(40)
State = String(12)
Payload = Text().with_variant(MEDIUMTEXT(), "mysql", "mariadb")  # MySQL's TEXT ends at 64 KiB
