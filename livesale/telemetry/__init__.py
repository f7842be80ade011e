"""Logs, metrics, and the limit of repeated lines."""
