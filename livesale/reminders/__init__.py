"""Reminders: a message to people who asked for it, before a room begins or a drop opens."""
