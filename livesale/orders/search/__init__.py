"""Orders as operators find them: a list, a search, and a page of each."""
