"""Products: goods to look at, their categories, and the search for them."""
