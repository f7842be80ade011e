"""A buyer's orders, from SQL."""
