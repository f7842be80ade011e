"""A door in front of the shop: a page in a cache that holds a crowd around an opening."""
