"""The numbers of a room: who watched, what they opened, what was sold."""
