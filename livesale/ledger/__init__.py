"""The log in SQL: the writer, the orders and the books, and how both stores are compared."""
