"""SQL: tables, migrations and queries. MySQL, MariaDB and SQLite."""
