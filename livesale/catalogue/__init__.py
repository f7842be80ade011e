"""SKUs and campaigns, and what buyers see of them."""
