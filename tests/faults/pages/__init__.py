"""Kills parts of the service under pages that people look at, and looks for lies on them."""
