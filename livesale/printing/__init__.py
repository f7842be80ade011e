"""Text for people: output that fits the terminal, encodings, numbers in sentences."""
