"""Opening the stores and holding them against each other: before use, and all the time."""
