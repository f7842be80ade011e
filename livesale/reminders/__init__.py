"""Reminders: a message to people who want it, before a room begins or a drop opens."""
