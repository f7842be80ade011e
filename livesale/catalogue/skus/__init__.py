"""SKUs: what can be sold."""
