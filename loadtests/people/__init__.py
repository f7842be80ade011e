"""The people of a sale and how they behave: plain Python, without Locust."""
