"""The log in SQL: the writer, orders, books, and the comparison of both stores."""
