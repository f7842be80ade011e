"""What a sale did, from SQL: curves of its drops, sums, funnel, and a file of them."""
