"""A feature of the tests: viewers strike a gong. It shows that a feature is one folder and one name
in a list."""
