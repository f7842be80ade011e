"""Measurements in one process, each a command: `python -m benchmarks.<name>`."""
