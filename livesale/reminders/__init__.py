"""Reminders: a message to whoever asked for it, before a room begins or a drop opens."""
