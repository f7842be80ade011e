"""Alembic migrations; `livesale.database.schema` runs them, `livesale migrate` is the command."""
