"""What a process says of itself: logs, metrics, and the lines that repeat."""
