"""The tables. SQLAlchemy Core; `migrations/` creates them, a test holds the two together.

No autoincrement where rows are written hot and no foreign keys between hot tables: nothing that
TiDB or Vitess would refuse. `books`, `orders`, `stock_ledger` and `log_offsets` are written by the
writer alone, in one transaction per batch of the log; so are `payments` and `refunds`, but for
money of unknown orders, operators' refunds, and the way of a refund after it is due.
Text compares byte by byte: the ids of reservations, payments and WeChat users tell upper from lower
case, which the default collation of MySQL does not. (SQLite always does.)
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
Payload = Text().with_variant(MEDIUMTEXT(), "mysql", "mariadb")  # TEXT ends at 64 KiB there
