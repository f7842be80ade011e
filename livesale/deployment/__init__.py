"""Opens the stores, and compares them with each other before and during use."""
