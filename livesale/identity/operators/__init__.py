"""Operators as people: roles, passwords with a second factor, one-time links, sessions."""
