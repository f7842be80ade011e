"""Go or no-go: what must be right before a sale opens, and the opening that asks for it first."""
