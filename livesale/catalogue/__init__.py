"""SKUs, campaigns, and the view of buyers."""
