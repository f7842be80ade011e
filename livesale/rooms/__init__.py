"""Live rooms: lifecycle, shelf, drops on air, people, events."""
