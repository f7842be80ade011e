"""Orders after the sale."""
