"""Processes: API workers, the supervisor of all roles, graceful stop."""
