"""Lucky bags: a host opens them, viewers enter, the keeper draws, anybody can check the draw."""
