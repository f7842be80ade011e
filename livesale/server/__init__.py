"""Processes: API workers, the supervisor of all roles, graceful stop."""

from livesale.server.processes import run as run

__all__ = ["run"]
