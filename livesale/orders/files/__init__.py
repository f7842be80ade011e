"""Orders as files: what to ship as csv, and tracking numbers from xlsx or csv."""
