"""Lucky bags: opened by a host, entered by viewers, drawn in time, checked by anybody."""
