"""The numbers of a room: viewers, opened items, sales."""
