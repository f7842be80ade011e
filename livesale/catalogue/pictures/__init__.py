"""Pictures: checked, encoded again in three sizes, and named by their content."""
