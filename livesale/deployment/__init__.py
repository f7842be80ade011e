"""Opens the stores and compares them with each other: before use, and all the time."""
