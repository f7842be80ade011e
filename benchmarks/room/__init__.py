"""The limits of a live room: how many watch on one core, and how late they are told."""
