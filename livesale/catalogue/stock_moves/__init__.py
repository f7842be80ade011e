"""Stock of a SKU: what is on hand, as the sum of its moves."""
