"""A buyer's orders, as SQL holds them."""
